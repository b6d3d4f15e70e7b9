"""Which sandbox a call gets: what the client said last, read-only where it said nothing or nothing clear."""

import asyncio
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from shelltool.errors import SandboxPolicyError, SandboxUnavailableError
from shelltool.mcp_server.confinement import Confinement
from shelltool.sandbox import written
from shelltool.sandbox.engine import Engine, Refusal
from shelltool.sandbox.placeholders import PLACEHOLDER_TIME
from shelltool.sandbox.plan import OpKind, SandboxPlan

DEADLINE_S = 20


@dataclass(frozen=True, kw_only=True)
class Imagined(Engine):
    """An engine that shows its plan instead of enforcing it."""

    name: str = "imagined"
    limitations: tuple[str, ...] = ("anything",)

    @property
    def programs(self):
        return ("/work/engine",)

    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:  # noqa: ARG002
        access: Sequence[str] = [f"{op.kind.name}={op.path}" for op in plan.ops]
        return (cwd, f"root={plan.root.name if plan.root else None}", f"net={plan.network}", *access)


class Scene:
    def __init__(self, *, engine=Imagined, environment=None, shielded=()):
        self.said: list[str] = []
        self.confinement = Confinement(
            environment=environment or {"HOME": "/root"},
            shielded=shielded,
            report=self.said.append,
            engine=engine,
        )

    def state(self, policy, cwd="/work", **more):
        policy = {"type": policy} if isinstance(policy, str) else policy
        self.confinement.update({"sandboxPolicy": policy, "sandboxCwd": str(cwd), **more})

    def call(self, workdir):
        return asyncio.run(asyncio.wait_for(self.confinement.for_call(Path(workdir)), DEADLINE_S))


def writable(confined):
    return {word.partition("=")[2] for word in confined.sandbox.prefix if word.startswith("WRITABLE=")}


def test_a_client_that_says_nothing_gets_a_read_only_sandbox(tmp_path):
    confined = Scene().call(tmp_path)
    assert confined.has_sandbox
    assert confined.sandbox.prefix == (str(tmp_path), "root=READ", "net=False")
    assert confined.environment == {"HOME": "/root", "CODEX_SANDBOX_NETWORK_DISABLED": "1"}


@pytest.mark.parametrize("policy", ["read-only", "danger-full-access"])
def test_commands_get_the_servers_environment_without_its_credentials(policy, tmp_path):
    own = {"PATH": "/bin", "GH_TOKEN": "the user's", "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN": "the server's"}
    scene = Scene(environment=own)
    scene.state(policy, tmp_path)
    given = scene.call(tmp_path).environment
    assert {name: given.get(name) for name in own} == {"PATH": "/bin", "GH_TOKEN": "the user's"} | {
        "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN": None
    }


def test_workspace_write_is_about_the_folder_that_the_client_named(tmp_path):
    workspace, inside = tmp_path / "workspace", tmp_path / "workspace" / "inside"
    inside.mkdir(parents=True)
    scene = Scene()
    scene.state({"type": "workspace-write", "exclude_slash_tmp": True}, workspace)
    assert writable(scene.call(inside)) == {str(workspace)}


def test_network_access_is_as_the_policy_says(tmp_path):
    scene = Scene()
    scene.state({"type": "workspace-write", "network_access": True}, tmp_path)
    confined = scene.call(tmp_path)
    assert "net=True" in confined.sandbox.prefix
    assert "CODEX_SANDBOX_NETWORK_DISABLED" not in confined.environment


def test_full_access_is_no_sandbox_and_needs_no_engine(tmp_path):
    def engine():
        raise AssertionError("an engine was asked for")

    scene = Scene(engine=engine)
    scene.state("danger-full-access")
    confined = scene.call(tmp_path)
    assert not confined.has_sandbox
    assert confined.sandbox.prefix == ()
    assert confined.sandbox.could_write is None


def test_a_helper_of_the_clients_is_not_used(tmp_path):
    scene = Scene()
    scene.state("read-only", tmp_path, codexLinuxSandboxExe="/evil", useLinuxSandboxBindMounts=True)
    assert scene.call(tmp_path).sandbox.prefix[0] == str(tmp_path)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "sandboxPolicy"),
        ({"sandboxPolicy": {"type": "read-only"}}, "sandboxCwd"),
        ({"sandboxPolicy": {"type": "nonsense"}, "sandboxCwd": "/"}, "sandboxPolicy"),
        ({"sandboxPolicy": {"type": "danger-full-access"}, "sandboxCwd": "tmp"}, "sandboxCwd"),
        ({"sandboxPolicy": {"type": "danger-full-access"}, "sandboxCwd": "/", "except": ["/"]}, "except"),
        ({"sandboxPolicy": {"type": "read-only", "unless": 1}, "sandboxCwd": "/"}, "unless"),
    ],
)
def test_an_update_that_is_not_understood_leaves_read_only(params, said, tmp_path):
    scene = Scene()
    scene.state("danger-full-access")
    with pytest.raises(SandboxPolicyError, match=said):
        scene.confinement.update(params)
    assert scene.call(tmp_path).sandbox.prefix[1] == "root=READ"


def test_what_the_server_runs_and_obeys_cannot_be_written(tmp_path):
    (rules := tmp_path / "home").mkdir()
    scene = Scene(shielded=[rules, tmp_path / "not there"])
    scene.state("workspace-write", tmp_path)
    confined = scene.call(tmp_path)
    assert f"{OpKind.PROTECTED.name}={rules}" in confined.sandbox.prefix
    could_write = confined.sandbox.could_write
    assert could_write
    assert not could_write(rules / "a.rules")
    assert could_write(tmp_path / "file")


def test_what_could_once_be_written_is_remembered(tmp_path):
    scene = Scene()
    scene.state("workspace-write", tmp_path)
    scene.call(tmp_path)
    scene.state("read-only", tmp_path)
    confined = scene.call(tmp_path)
    assert confined.sandbox.could_write
    assert confined.sandbox.could_write(tmp_path / "file")
    assert not confined.sandbox.could_write(Path("/usr/bin/env"))


def test_after_many_policies_what_one_of_them_let_be_written_still_counts_and_nothing_else(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(written, "PLANS_REMEMBERED", 1)
    scene = Scene()
    names = ("one", "two", "three")
    for name in names:
        (tmp_path / name).mkdir()
        scene.state({"type": "workspace-write", "exclude_slash_tmp": True}, tmp_path / name)
        confined = scene.call(tmp_path)
    assert confined.sandbox.could_write
    assert all(confined.sandbox.could_write(tmp_path / name / "file") for name in names)
    assert not confined.sandbox.could_write(Path("/usr/bin/env"))


def test_without_an_engine_sandboxed_calls_are_refused_with_the_reason(tmp_path):
    scene = Scene(engine=lambda: Refusal(declined=("bubblewrap: not installed",)))
    with pytest.raises(SandboxUnavailableError, match="bubblewrap: not installed"):
        scene.call(tmp_path)
    scene.state("danger-full-access")
    assert not scene.call(tmp_path).has_sandbox


def test_the_engine_is_chosen_once_and_described(tmp_path):
    chosen = []

    def engine():
        chosen.append(threading.current_thread() is threading.main_thread())
        return Imagined()

    scene = Scene(engine=engine)

    async def calls():
        await asyncio.gather(*(scene.confinement.for_call(tmp_path) for _ in range(5)))

    asyncio.run(asyncio.wait_for(calls(), DEADLINE_S))
    assert chosen == [False]
    assert scene.said == ["sandbox: imagined", "sandbox: imagined can't do: anything"]


def test_what_a_plan_has_to_say_is_passed_on(tmp_path):
    scene = Scene()
    scene.state({"type": "workspace-write", "writable_roots": [str(tmp_path / "missing")]}, tmp_path)
    assert any("missing does not exist" in note for note in scene.call(tmp_path).notes)


def test_placeholders_that_a_killed_sandbox_left_are_removed(tmp_path):
    scene = Scene()
    scene.state("workspace-write", tmp_path)
    confined = scene.call(tmp_path)
    assert str(tmp_path / ".git") in confined.placeholders
    left = tmp_path / ".git"
    left.mkdir(mode=0o555)
    os.utime(left, (PLACEHOLDER_TIME, PLACEHOLDER_TIME))
    confined.clean_up()
    assert not left.exists()
