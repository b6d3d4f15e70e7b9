"""What of a caller's environment leaves the sandbox: the tables, and what happens to each kind."""

import base64
import json

import pytest

from shelltool.escalation.environment import (
    FALLBACK_PATH,
    REMEMBERED_VARIABLES,
    EnvironmentReset,
    _remembered,
    treatment,
)
from shelltool.escalation.exec_message import read_request
from shelltool.escalation.program import Reach

OWN = {"HOME": "/server", "PATH": "/usr/bin:/bin", "LANG": "C"}


def reset(caller, own=OWN, writable=()):
    """Reset with folders that the sandboxed side can write."""
    reach = Reach(lambda path: any(path.is_relative_to(folder) for folder in writable))
    return EnvironmentReset(own, reach).apply(caller)


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "GLIBC_TUNABLES", "BASH_ENV", "ENV", "ZDOTDIR",
        "BASH_FUNC_ls%%", "SHELLOPTS", "PS4", "IFS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS",
        "JAVA_TOOL_OPTIONS", "CLASSPATH", "CC", "MAKEFLAGS", "RUSTC_WRAPPER", "EDITOR", "PAGER", "GIT_PAGER", "MANPAGER",
        "LESSOPEN", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_EXEC_PATH", "GIT_CONFIG_COUNT", "SSH_ASKPASS", "SSH_AUTH_SOCK",
        "HOME", "XDG_CONFIG_HOME", "TMPDIR", "CODEX_HOME", "DOCKER_HOST", "KUBECONFIG", "SSL_CERT_FILE", "https_proxy",
        "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",
        "NULLCMD", "READNULLCMD", "TMPPREFIX", "PATH_LOCALE", "AUTHSTATE", "LDR_PRELOAD", "VAR_ACE", "USR_ACE", "DLC_ACE",
        "ZIP", "SYSTEM_WGETRC", "GROFF_BIN_PATH", "VALGRIND_LIB", "PERF_EXEC_PATH", "DEVELOPER_DIR", "ALTERNATE_EDITOR",
        "KUBECTL_EXTERNAL_DIFF", "RCLONE_PASSWORD_COMMAND", "RESTIC_PASSWORD_COMMAND", "GOCACHEPROG", "GOAUTH", "CGO_CFLAGS",
        "M4", "LESSECHO", "LESSGLOBALTAGS", "MANLESS", "CVSEDITOR", "P4DIFF", "NEXINIT", "PSQLRC", "PSQL_EDITOR",
        "LIBMYSQL_PLUGINS", "MARIADB_HOME", "GS_LIB", "BOTO_CONFIG", "PASSWORD_STORE_EXTENSIONS_DIR", "RIPGREP_CONFIG_PATH",
        "MAILRC", "HOMEBREW_EDITOR", "NIX_PATH", "PYTEST_PLUGINS", "COMPOSE_FILE", "PACKER_CONFIG", "PYENV_ROOT", "RBENV_ROOT",
        "ASDF_DIR", "MISE_CONFIG_DIR", "shell_escape", "npm_config_userconfig", "NPM_CONFIG_REGISTRY", "Npm_Config_registry",
        "YARN_RC_FILENAME", "http_Proxy", "ALL_PROXY",
    ],
)  # fmt: skip
def test_what_makes_programs_load_start_or_trust_something_is_guarded(name):
    assert treatment(name) == "guard"
    assert reset({name: "x"}, own={}) == {}
    assert reset({name: "x"}, own={name: "own"}) == {name: "own"}


@pytest.mark.parametrize(
    "name", ["EXEC_WRAPPER", "BASH_EXEC_WRAPPER", "CODEX_ESCALATE_SOCKET", "CODEX_SANDBOX", "CODEX_SANDBOX_X"]
)
def test_what_belongs_to_the_sandbox_is_dropped_whatever_the_server_has(name):
    assert reset({name: "x"}, own={name: "own"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        "FOO",
        "MY_LD_PRELOAD",
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_DATE",
        "CI",
        "ld_preload",
        "env",
        "docker_tag",
        "GOOS",
    ],
)
def test_the_rest_is_carried(name):
    assert reset({name: "x y=\n"}) == {name: "x y=\n"}


@pytest.mark.parametrize(
    ("value", "carried"), [("de_DE.UTF-8", True), ("/tmp/evil", False), ("%n", False), ("../x", False)]
)
def test_a_locale_is_carried_unless_it_is_a_path_or_a_format(value, carried):
    assert reset({"LC_ALL": value}, own={}) == ({"LC_ALL": value} if carried else {})


def test_a_value_that_looks_like_a_function_is_not_carried():
    assert reset({"anything": "() { :; }; echo"}, own={}) == {}


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/bin:/usr/bin", "/bin:/usr/bin"),
        ("/work/bin:/usr/bin", "/usr/bin"),
        ("/no/such/folder:/usr/bin", "/usr/bin"),
        (".:/usr/bin::bin:", "/usr/bin"),
        ("/work/bin", "/usr/bin:/bin"),
        ("", "/usr/bin:/bin"),
    ],
)
def test_path_loses_what_the_sandboxed_side_can_write(path, safe, tmp_path):
    assert reset({"PATH": path.replace("/work", str(tmp_path))}, writable=[tmp_path]) == {"PATH": safe}


def test_path_loses_what_a_parent_reference_reaches_through_a_writable_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    up = "/".join([".."] * len((tmp_path / "folder").parts[1:]))
    reach = Reach(lambda path: path == tmp_path / "folder")
    caller = {"PATH": f"{tmp_path}/folder/{up}/usr/bin:/bin"}
    assert EnvironmentReset(OWN, reach).apply(caller) == {"PATH": "/bin"}


def test_a_path_in_which_nobody_can_look_at_every_folder_is_the_servers_own():
    assert reset({"PATH": ":".join(["/bin"] * 3000)}) == {"PATH": ":".join(["/bin"] * 3000)}
    assert reset({"PATH": ":".join(["/bin"] * 4000)}) == {"PATH": OWN["PATH"]}


def test_where_no_folder_is_safe_there_is_one_of_last_resort(tmp_path):
    own = {"PATH": str(tmp_path)}
    assert reset({"PATH": str(tmp_path)}, own=own, writable=[tmp_path]) == {"PATH": FALLBACK_PATH}


def test_a_flood_of_variables_is_not_remembered_for_ever():
    environment = EnvironmentReset({}, Reach(lambda _: False))
    for number in range(3 * REMEMBERED_VARIABLES):
        assert environment.apply({"V": str(number)}) == {"V": str(number)}
    assert len(environment._known) <= REMEMBERED_VARIABLES


def test_long_names_are_not_remembered():
    environment = EnvironmentReset({}, Reach(lambda _: False))
    before = _remembered.cache_info().currsize
    name = "LD_" + "x" * 5000
    assert environment.apply({name: "", "V" + name: ""}) == {"V" + name: ""}
    assert not environment._known
    assert _remembered.cache_info().currsize == before


def test_each_command_gets_what_is_made_of_its_own_environment():
    environment = EnvironmentReset({}, Reach(lambda _: False))

    def block(*variables):
        request = {"file": "/", "argv": [], "workdir": "/", "env": dict(variables)}
        return environment.of(read_request(json.dumps(request).encode())).block

    assert [block(("A", "1")), block(("A", "1")), block(("A", "2")), block()] == [
        b"A=1\0",
        b"A=1\0",
        b"A=2\0",
        b"",
    ]


def test_the_exact_bytes_of_an_environment_tell_it_from_another():
    environment = EnvironmentReset({}, Reach(lambda _: False))

    def block(exact):
        request = {"file": "/", "argv": [], "workdir": "/", "env": {"A": "\ufffd"}}
        request["env_bytes"] = [base64.b64encode(exact).decode()]
        return environment.of(read_request(json.dumps(request).encode())).block

    assert [block(b"A=\xff"), block(b"A=\xfe")] == [b"A=\xff\0", b"A=\xfe\0"]
