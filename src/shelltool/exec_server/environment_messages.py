"""Results of `environment/info` and `environment/status`."""

from typing import Annotated, Literal

from pydantic import Field

from shelltool.exec_server.messages import Message
from shelltool.exec_server.paths import WirePath

Paths = Annotated[tuple[WirePath, ...], Field(strict=False)]


class Shell(Message):
    """The user's shell."""

    name: str
    path: str


class Capabilities(Message):
    """What this server has of what newer clients may ask for; what is not named is not there."""

    network_proxy_launch: bool = False
    network_proxy_review_domains: bool = False
    credential_masking: bool = False
    credential_masking_custom_providers: bool = False
    capability_discovery_sandbox: bool = False
    fs_watch_missing: bool = True
    capability_discovery_v2: bool = False
    environment_config_read: bool = False
    http_header_env_vars: bool = True
    sandboxed_file_streaming: bool = True
    file_write_streaming: bool = True
    shell_snapshot_v2: bool = False
    windows_mxc: bool = False
    linux_root_write_preserves_devices: bool = False
    linux_approved_root_write_preserves_restrictions: bool = False
    process_close_stdin: bool = True
    process_resize: bool = True
    process_list: bool = True
    process_signals: bool = True
    process_terminate_grace: bool = True
    session_takeover: bool = True
    exec_approve: bool = False


class EnvironmentInfo(Message):
    """What machine it is."""

    shell: Shell
    executor_version: str | None = None
    provider_id: str | None = None
    cwd: WirePath | None = None
    user_home_dir: WirePath | None = None
    platform_os: str | None = None
    prepend_path_dirs: Paths = ()
    temporary_directories: Paths = ()
    temp_dir: WirePath | None = None
    capabilities: Capabilities = Capabilities()


class EnvironmentStatus(Message):
    """Whether it takes requests."""

    status: Literal["ready"] = "ready"
