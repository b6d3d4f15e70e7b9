"""The sandbox object of the exec server's requests, old and new: a policy or a profile, and where it holds.

Shapes: an older one with `sandboxPolicy`, a newer one with `permissions`. What only concerns Windows is read and left
alone. Of `sandboxOverride` nothing is obeyed that would loosen the sandbox.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasGenerator, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from shelltool.sandbox.permissions import ENTRY_LIMIT, Entry, TaggedProfile
from shelltool.sandbox.policy import AbsolutePath, Model, TaggedPolicy, validated


class _Wire(Model):
    model_config = ConfigDict(alias_generator=AliasGenerator(alias=to_camel))

    windows_sandbox_level: Literal["disabled", "restricted-token", "elevated", "mxc"] = "disabled"
    windows_sandbox_private_desktop: bool | None = None
    use_legacy_landlock: bool | None = None


class FileSystemPolicy(Model):
    """What an older client says about files beside its policy: the finer of the two."""

    kind: Literal["restricted", "unrestricted", "external-sandbox"]
    entries: tuple[Entry, ...] = Field(default=(), max_length=ENTRY_LIMIT)
    glob_scan_max_depth: int | None = Field(default=None, ge=1)


class PolicyContext(_Wire):
    """The older object."""

    sandbox_policy: TaggedPolicy
    sandbox_policy_cwd: AbsolutePath | None = None
    file_system_sandbox_policy: FileSystemPolicy | None = None


class ProfileContext(_Wire):
    """The newer object. `workspace_roots` is None where the client does not know of it."""

    permissions: TaggedProfile
    cwd: AbsolutePath | None = None
    workspace_roots: tuple[AbsolutePath, ...] | None = None
    windows_sandbox_proxy_settings_mode: Literal["reconcile", "preserve"] | None = None
    sandbox_override: (
        Literal["noOverride", "escalatedSandboxWithRestrictions", "bypassSandboxFirstAttempt"] | None
    ) = None


SandboxContext = PolicyContext | ProfileContext

_OLD: TypeAdapter[PolicyContext] = TypeAdapter(Annotated[PolicyContext, Field()])
_NEW: TypeAdapter[ProfileContext] = TypeAdapter(Annotated[ProfileContext, Field()])


def parse_context(document: Mapping[str, Any]) -> SandboxContext:
    """Read a sandbox object, whichever of the two it is."""
    if "sandboxPolicy" in document:
        return validated(_OLD, document, "sandbox")
    return validated(_NEW, document, "sandbox")
