"""Processes in a sandbox, in every shape in which clients ask for one."""

import json

import pytest

from integration.exec_server.files.subject import workspace_write
from integration.exec_server.test_exec_server_sessions import wait_until_gone

WRITES = "echo x > inside && echo y > ../outside"


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "ws").mkdir()
    return tmp_path / "ws"


def older(cwd):
    """Give what releases of April sent."""
    return {
        "sandboxPolicy": {
            "type": "workspace-write",
            "writable_roots": [],
            "exclude_slash_tmp": True,
            "exclude_tmpdir_env_var": True,
        },
        "sandboxPolicyCwd": str(cwd),
        "windowsSandboxLevel": "disabled",
    }


@pytest.mark.parametrize("shape", [workspace_write, older])
@pytest.mark.parametrize("tty", [False, True])
async def test_a_process_writes_where_it_may_and_nowhere_else(shape, tty, serving_shared, workspace):
    async with serving_shared() as server, server.session() as wire:
        params = {"cwd": str(workspace), "sandbox": shape(workspace), "tty": tty}
        assert (await wire.start("p", "sh", "-c", WRITES, **params))["sandboxType"] == "linuxSeccomp"
        output, code = await wire.ended_process("p")
        assert code != 0
        assert b"inside" not in output
        exited = await wire.wait_for("p", "process/exited")
        assert exited["sandboxDenied"], output
        assert (await wire.call("process/read", processId="p"))["sandboxDenied"]
    assert ((workspace / "inside").exists(), (workspace.parent / "outside").exists()) == (True, False)


async def test_a_command_that_its_client_wrapped_itself_is_confined_here(serving_shared, workspace):
    profile = json.dumps(workspace_write(workspace)["permissions"])
    wrapped = ["/nowhere/on/this/machine/codex-linux-sandbox", "--sandbox-policy-cwd", str(workspace)]
    wrapped += ["--command-cwd", str(workspace), "--permission-profile", profile, "--", "sh", "-c", WRITES]
    async with serving_shared() as server, server.session() as wire:
        _, code = await wire.run("p", *wrapped, cwd=str(workspace), arg0=wrapped[0])
        assert code != 0
    assert ((workspace / "inside").exists(), (workspace.parent / "outside").exists()) == (True, False)


async def test_a_sandbox_that_is_not_understood_refuses_the_start(serving_shared, workspace):
    async with serving_shared() as server, server.session() as wire:
        for sandbox in (5, {}, {"permissions": {"type": "nonsense"}}, {"sandboxPolicy": {"type": "x"}}):
            given = {"processId": "p", "argv": ["touch", "made"], "cwd": str(workspace), "env": {}}
            refused = await wire.refused("process/start", **given, tty=False, sandbox=sandbox)
            assert refused.code == -32602, sandbox
        for extra in (
            {"enforceManagedNetwork": True},
            {"managedNetwork": {"x": 1}},
            {"networkProxy": {"proxy": 1}},
        ):
            refused = await wire.refused("process/start", **given, tty=False, **extra)
            assert "no managed network" in refused.message, "a restriction is never ignored"
    assert list(workspace.iterdir()) == []


async def test_a_sandboxed_process_that_leaves_its_session_is_ended_too(serving_shared, workspace):
    async with serving_shared() as server, server.session() as wire:
        script = "setsid sh -c 'echo up; exec sleep 60' & sleep 60"
        params = {"cwd": str(workspace), "sandbox": workspace_write(workspace)}
        await wire.start("p", "sh", "-c", script, **params)
        await wire.wait_for_output("p", b"up")
        pid = (await wire.call("process/list"))["processes"][0]["pid"]
        assert (await wire.call("process/terminate", processId="p")) == {"running": True}
        # Its output is only over when the one with a session of its own has ended, too.
        assert (await wire.ended_process("p"))[1] == 137
        await wait_until_gone(pid)
