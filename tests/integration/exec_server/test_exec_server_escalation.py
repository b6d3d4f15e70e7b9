"""Processes under rules: what they execute is judged, and the session's client is asked."""

import asyncio
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integration.exec_server.files.subject import workspace_write
from integration.exec_server.installation import install
from integration.exec_server.serving import in_memory, over_websocket
from shellbuild.builder import build_shell
from shelltool.escalation.keeping import KeeperProgram
from shelltool.exec_server.client import ExecServerClient, RemoteEnvironment
from shelltool.exec_server.processes.interception import Interceptor
from shelltool.exec_server.processes.messages import ProcessExited, ProcessOutput, StartProcess
from shelltool.exec_server.session_messages import Approval
from shelltool.rules.in_force import RulesInForce
from shelltool.shells import this_host

pytestmark = pytest.mark.build
NATIVE = Path(__file__).parents[3] / "native"
RULES = """
prefix_rule(pattern=["rm"], decision="forbidden", justification="nothing is removed here")
prefix_rule(pattern=["mkdir"], decision="prompt", justification="folders are dear")
prefix_rule(pattern=["touch"], decision="allow")
"""
PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def patched_bash():
    given = os.environ.get("CONTRACT_BASH")
    return Path(given).resolve(strict=True) if given else build_shell("bash", patched=True).resolve()


@pytest.fixture(scope="session")
def wrapper(tmp_path_factory):
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    target = tmp_path_factory.mktemp("wrapper") / "codex-execve-wrapper"
    command = [gcc, "-O2", "-static", "-o", target, NATIVE / "execve_wrapper.c"]
    subprocess.run(command, check=True, timeout=120)
    return target


@pytest.fixture(scope="session")
def installed(tmp_path_factory, patched_bash, wrapper):
    """Give an installation with everything that `--shell-escalation` looks for."""
    root = tmp_path_factory.mktemp("installed")
    installation = install(root)
    programs = root / "vendor" / this_host().target
    (programs / wrapper.name).symlink_to(wrapper)
    for name, shell in (("bash", patched_bash), ("zsh", build_shell("zsh", patched=True).resolve())):
        (programs / name / this_host().variant).mkdir(parents=True)
        (programs / name / this_host().variant / name).symlink_to(shell)
    return installation


@pytest.fixture
def interceptor(patched_bash, wrapper, tmp_path):
    (tmp_path / "home/rules").mkdir(parents=True)
    (tmp_path / "home/rules/default.rules").write_text(RULES, encoding="utf-8")
    environment = {**os.environ, "CODEX_HOME": str(tmp_path / "home")}
    with ThreadPoolExecutor(16) as threads:
        yield Interceptor(
            shells={"bash": str(patched_bash), "sh": str(patched_bash)},
            wrapper=str(wrapper),
            keeper=KeeperProgram(wrapper),
            rules=RulesInForce(report=print, environment=environment, system=tmp_path / "system"),
            environment=environment,
            threads=threads,
        )


async def run(environment, identifier, *argv, **params):
    """Run a process to its end; gives output and status."""
    given = {"cwd": "/tmp", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, **params}
    await environment.processes.start(StartProcess(process_id=identifier, argv=list(argv), **given))
    async with asyncio.timeout(PATIENCE_S):
        events = [event async for event in environment.processes.events(identifier)]
    text = b"".join(event.chunk for event in events if isinstance(event, ProcessOutput))
    return text, next(event.exit_code for event in events if isinstance(event, ProcessExited))


async def test_what_a_shell_executes_is_judged(installation, interceptor, tmp_path):
    (tmp_path / "kept").touch()
    async with (
        in_memory(installation, interceptor=interceptor) as server,
        ExecServerClient(server.connector) as client,
    ):
        here = RemoteEnvironment(client)
        assert await run(here, "a", "bash", "-c", "ls /dev/null; echo $0", arg0="other") == (
            b"/dev/null\nother\n",
            0,
        )
        output, status = await run(here, "b", "sh", "-c", f"rm {tmp_path}/kept; echo after")
        assert b"Execution denied: Execution forbidden by policy" in output
        assert (b"after\n" in output, status, (tmp_path / "kept").exists()) == (True, 0, True)
        output, status = await run(here, "c", "rm", str(tmp_path / "kept"))
        assert (b"Execution denied" in output, status, (tmp_path / "kept").exists()) == (True, 1, True)
        output, status = await run(here, "d", "bash", "-c", "unset EXEC_WRAPPER; rm x", tty=True)
        assert (b"Execution denied" in output, status) == (True, 1)


async def test_the_client_is_asked(installation, interceptor, tmp_path):
    asked = []

    async def approve(question):
        asked.append(question)
        return Approval(accepted=question.argv[-1].endswith("yes"), reason="no more folders")

    async with (
        in_memory(installation, interceptor=interceptor) as server,
        ExecServerClient(server.connector, approve=approve) as client,
    ):
        here = RemoteEnvironment(client)
        script = f"mkdir {tmp_path}/yes; mkdir {tmp_path}/no"
        output, status = await run(here, "p", "bash", "-c", script)
        assert (b"Execution denied: no more folders" in output, status) == (True, 1)
        assert ((tmp_path / "yes").is_dir(), (tmp_path / "no").exists()) == (True, False)
        assert [(question.process_id, question.place) for question in asked] == [("p", "no-sandbox")] * 2
        assert asked[0].argv == ["mkdir", f"{tmp_path}/yes"]
        assert "folders are dear" in (asked[0].reason or "")


async def test_a_client_that_did_not_opt_in_is_not_asked(installation, interceptor, tmp_path):
    async with (
        in_memory(installation, interceptor=interceptor) as server,
        ExecServerClient(server.connector) as client,
    ):
        output, status = await run(RemoteEnvironment(client), "p", "mkdir", str(tmp_path / "no"))
        assert (b"the client can't be asked" in output, status) == (True, 1)


async def test_a_question_is_asked_again_after_a_cut(installation, interceptor, tmp_path):
    async with in_memory(installation, interceptor=interceptor) as server:
        asked = []

        async def approve(question):
            asked.append(question)
            if len(asked) == 1:
                await client.drop_connection()
            return Approval(accepted=True)

        client = ExecServerClient(server.connector, approve=approve)
        async with client:
            assert await run(RemoteEnvironment(client), "p", "mkdir", str(tmp_path / "made")) == (b"", 0)
            assert len(asked) == 2


async def test_the_program_runs_processes_under_the_rules_of_its_home(installed, tmp_path, monkeypatch):
    (tmp_path / "home/rules").mkdir(parents=True)
    (tmp_path / "home/rules/default.rules").write_text(RULES, encoding="utf-8")
    (tmp_path / "ws").mkdir()
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    asked = []

    async def approve(question):
        asked.append((question.argv, question.place))
        return Approval(accepted=False, reason="no more folders")

    async with (
        over_websocket(installed, "--shell-escalation") as server,
        ExecServerClient(server.connector, approve=approve) as client,
    ):
        assert client.session is not None
        assert client.session.environment_info is not None
        assert client.session.environment_info.capabilities.exec_approve
        here = RemoteEnvironment(client)
        sandbox = workspace_write(tmp_path / "ws")
        script = "touch ../outside; echo x > ../no; mkdir ../dear; rm x; echo end"
        output, status = await run(here, "p", "sh", "-c", script, cwd=str(tmp_path / "ws"), sandbox=sandbox)
        assert b"Execution denied: Execution forbidden by policy" in output
        assert (b"Execution denied: no more folders" in output, status) == (True, 0)
        assert output.endswith(b"end\n")
        assert asked == [(["mkdir", "../dear"], "outside")]
        output, _ = await run(here, "q", "/bin/zsh", "-c", "rm y; echo end")
        assert b"Execution denied: Execution forbidden by policy" in output
        assert output.endswith(b"end\n"), "our zsh ran it, whether this machine has one or not"
        made = sorted(path.name for path in tmp_path.iterdir())
        assert made == ["home", "outside", "ws"], "what a rule allows runs outside of the sandbox"
