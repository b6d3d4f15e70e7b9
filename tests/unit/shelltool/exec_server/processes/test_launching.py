"""From a request to what a supervisor is told: program, arguments, environment, sandbox."""

import json
from dataclasses import dataclass

import pytest

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.processes.launching import Launcher, find_executable
from shelltool.exec_server.processes.messages import StartProcess
from shelltool.sandbox import OpKind
from shelltool.sandbox.engine import Engine, Refusal

READ_ONLY = {
    "permissions": {
        "type": "managed",
        "network": "restricted",
        "file_system": {
            "type": "restricted",
            "entries": [{"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}],
        },
    },
    "windowsSandboxLevel": "disabled",
}


@dataclass(frozen=True, kw_only=True)
class Imagined(Engine):
    """An engine that shows what it was asked for."""

    name: str = "imagined"

    @property
    def programs(self):
        return ("/engine",)

    def prefix(self, plan, *, cwd, arg0=None):  # noqa: ARG002
        return ("/engine", cwd, f"arg0={arg0}", "--")


class Judged:
    """An interceptor."""

    def __init__(self, program):
        self.programs = (str(program),)

    def wrapped(self, program, argv, cwd):  # noqa: ARG002
        return self.programs[0], ("judge", program, *argv)

    def variables(self, env):
        return {**env, "JUDGED": "1"}


def launcher(**changes):
    return Launcher(**{"environment": {"HOME": "/home", "PATH": "/nowhere"}, "engine": Imagined, **changes})


def start(*argv, **params):
    given = {"cwd": "/", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, **params}
    return StartProcess(process_id="p", argv=list(argv), **given)


def refusal_of(request, **changes):
    with pytest.raises(RpcError) as raised:
        launcher(**changes).prepare(request)
    return raised.value.code, raised.value.message


@pytest.fixture
def programs(tmp_path):
    """Three folders: with a file that can't be run, with a folder, and with the program."""
    for name in ("plain", "folder", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "plain/tool").write_text("", encoding="utf-8")
    (tmp_path / "folder/tool").mkdir()
    (tmp_path / "good/tool").touch(0o755)
    return tmp_path


def test_a_program_is_the_first_on_the_path_that_can_be_run(programs):
    path = f"{programs}/plain:{programs}/folder:{programs}/good"
    assert find_executable("tool", {"PATH": path}, "/") == f"{programs}/good/tool"
    assert find_executable("tool", {"PATH": "good"}, str(programs)) == "good/tool"
    assert find_executable("tool", {"PATH": ""}, f"{programs}/good") == "./tool"


def test_a_name_with_a_slash_is_not_looked_up(programs):
    for name in ("./tool", "x/tool", "/nope/tool"):
        assert find_executable(name, {"PATH": f"{programs}/good"}, "/") == name


@pytest.mark.parametrize(("folder", "number"), [("plain", 13), ("folder", 2), ("nothing", 2)])
def test_why_a_program_is_not_found_is_told_as_execvp_does(folder, number, programs):
    with pytest.raises(RpcError) as raised:
        find_executable("tool", {"PATH": f"{programs}/{folder}"}, "/")
    assert (raised.value.code, raised.value.data) == (-32603, {"errno": number, "path": "tool"})


def test_the_servers_own_path_is_not_used(monkeypatch, programs):
    monkeypatch.setenv("PATH", f"{programs}/good")
    assert refusal_of(start("tool"), environment={"PATH": f"{programs}/good"})[0] == -32603


def test_without_a_path_there_is_the_c_librarys():
    assert find_executable("true", {}, "/") in {"/bin/true", "/usr/bin/true"}


def test_only_what_may_take_its_time_to_prepare_has_a_thread():
    assert not launcher().needs_thread(start("/x", env={"PATH": "/" * 4096}))
    assert launcher().needs_thread(start("/x", env={"PATH": "/" * 4097}))
    assert launcher().needs_thread(start("/x", sandbox={}))
    assert launcher().needs_thread(start("codex-linux-sandbox", "--nonsense"))


def test_a_process_is_started_as_it_was_asked_for():
    prepared = launcher().prepare(start("/bin/echo", "x", arg0="other", cwd="/tmp"))
    assert (prepared.program, prepared.argv, prepared.cwd) == ("/bin/echo", ("other", "x"), "/tmp")
    assert (prepared.env, prepared.confined) == ({"PATH": "/usr/bin:/bin"}, False)
    assert (prepared.sandbox_type, prepared.placeholders, prepared.kept) == ("none", (), None)
    assert launcher().prepare(start("/bin/echo", arg0="")).argv == ("",)


def test_only_a_terminal_gets_a_shell_if_it_has_none():
    assert launcher().prepare(start("/x", tty=True, env={})).env == {"SHELL": "/bin/sh"}
    assert launcher().prepare(start("/x", tty=True, env={"SHELL": "/s"})).env == {"SHELL": "/s"}
    assert launcher().prepare(start("/x", env={})).env == {}


def test_a_policy_inherits_and_what_is_given_wins():
    policy = {
        "inherit": "core",
        "ignoreDefaultExcludes": False,
        "exclude": [],
        "set": {"A": "1"},
        "includeOnly": [],
    }
    prepared = launcher().prepare(start("/x", env={"A": "2"}, env_policy=policy))
    assert prepared.env == {"HOME": "/home", "PATH": "/nowhere", "A": "2"}


@pytest.mark.parametrize(
    ("params", "refused"),
    [
        ({"argv": []}, (-32602, "argv must not be empty")),
        ({"argv": [""]}, (-32603, "missing program for pipe spawn")),
        ({"argv": ["/x", "a\0"]}, (-32603, "nul byte found in provided data")),
        ({"arg0": "a\0"}, (-32603, "nul byte found in provided data")),
        ({"env": {"A": "\0"}}, (-32603, "nul byte found in provided data")),
        ({"env": {"": "1"}}, (-32602, "env: '' is no name of a variable")),
        ({"env": {"A=B": "1"}}, (-32602, "env: 'A=B' is no name of a variable")),
        ({"enforce_managed_network": True}, (-32600, "this server has no managed network")),
        ({"managed_network": {"loopbackPorts": [1]}}, (-32600, "this server has no managed network")),
        ({"network_proxy": {"proxy": {}}}, (-32600, "this server has no managed network")),
    ],
)
def test_what_can_not_be_done_as_it_is_said_is_refused(params, refused):
    request = start("/x").model_copy(update=params)
    assert refusal_of(request) == refused


def test_a_sandbox_is_put_around_the_command_and_keeps_its_name():
    prepared = launcher().prepare(start("/bin/echo", "x", arg0="other", sandbox=READ_ONLY))
    assert prepared.program == "/engine"
    assert prepared.argv == ("/engine", "/", "arg0=other", "--", "/bin/echo", "x")
    assert (prepared.confined, prepared.sandbox_type) == (True, "linuxSeccomp")
    assert prepared.env["CODEX_SANDBOX_NETWORK_DISABLED"] == "1"


def test_where_no_sandbox_works_nothing_is_started():
    code, message = refusal_of(start("/bin/echo", sandbox=READ_ONLY), engine=Refusal)
    assert (code, "the command was not run" in message) == (-32603, True), "the request is a good one"


def test_what_judges_and_confines_can_not_be_written_by_what_is_confined(tmp_path):
    everything = json.loads(json.dumps(READ_ONLY).replace('"read"', '"write"'))
    everything["permissions"]["file_system"]["entries"].append(
        {
            "path": {"type": "path", "path": "/etc"},
            "access": "read",
        }
    )
    for name in ("shielded", "judge"):
        (tmp_path / name).mkdir()
    own = [str(tmp_path / "shielded"), str(tmp_path / "judge")]
    made = launcher(interceptor=Judged(own[1]), shielded=own[:1])
    prepared = made.prepare(start("/x", sandbox=everything))
    assert prepared.plan is not None
    assert {*own} <= {op.path for op in prepared.plan.ops if op.kind is not OpKind.WRITABLE}
    assert prepared.argv == ("/engine", "/", "arg0=judge", "--", own[1], "/x", "/x")
    assert prepared.env["JUDGED"] == "1"


def test_what_a_client_wrapped_itself_is_taken_apart():
    profile = json.dumps(READ_ONLY["permissions"])
    wrapped = ["/theirs/codex-linux-sandbox", "--sandbox-policy-cwd", "/tmp", "--command-cwd", "/usr"]
    wrapped += ["--permission-profile", profile, "--", "/bin/echo", "x"]
    request = start(*wrapped)
    assert launcher().needs_thread(request)
    prepared = launcher().prepare(request)
    assert prepared.confined
    assert prepared.argv == ("/engine", "/usr", "arg0=None", "--", "/bin/echo", "x")


@pytest.mark.parametrize("words", [[], ["--nonsense", "x", "--", "/bin/true"], ["--", "/bin/true"]])
def test_what_is_wrapped_and_not_understood_is_not_run(words):
    request = start("/theirs/codex-linux-sandbox", *words)
    assert launcher().needs_thread(request)
    assert refusal_of(request)[0] == -32602
