"""Released clients, which none of us wrote, at our server: a whole turn, with the model played by a list of commands."""

import asyncio
import os
import re
import tempfile
from pathlib import Path

import pytest

from integration.exec_server.model_provider import ModelProvider, model_provider
from integration.exec_server.reference import fetch_reference
from integration.exec_server.serving import over_websocket
from integration.published import PackageUnavailableError
from shelltool.exec_server.differences import BOTH

TURN_S = 90.0
NOWHERE = "http://127.0.0.1:9"
pytestmark = pytest.mark.network


@pytest.fixture(params=BOTH)
def program(request):
    try:
        return fetch_reference(request.param)
    except PackageUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def home(program, monkeypatch):
    """Give a folder for both sides: not below /tmp, which every sandbox of the clients may write."""
    with tempfile.TemporaryDirectory(prefix="reference-", dir="/var/tmp") as folder:
        (Path(folder) / "ws").mkdir()
        monkeypatch.setenv("HOME", folder)
        monkeypatch.setenv("WHERE", "the server")
        yield Path(folder)


async def turn(program: Path, home: Path, url: str, provider: ModelProvider, sandbox: str) -> None:
    """Have a client do what its model says."""
    (home / "config.toml").write_text(provider.config, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "CODEX_HOME": str(home),
        "CODEX_EXEC_SERVER_URL": url,
        "RUST_LOG": "error",
        # It has nothing to ask of anybody else.
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE),
        "no_proxy": "127.0.0.1",
    }
    command = (program, "exec", "--skip-git-repo-check", "-s", sandbox, "-C", home / "ws", "go")
    client = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(client.communicate(), TURN_S)
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    assert client.returncode == 0, said.decode(errors="replace")[-2000:]


def run(cmd, **arguments):
    """Give a command that runs another one."""
    return lambda _: ("exec_command", {"cmd": cmd, **arguments})


def write(text):
    """Give a command that writes to the one before it, which still runs."""

    def written(outputs):
        found = re.search(r"session ID (\d+)", outputs[-1])
        assert found, outputs
        return "write_stdin", {"session_id": int(found[1]), "chars": text}

    return written


async def test_a_released_client_runs_and_feeds_commands_here(program, home, installation):
    commands = (
        run("echo $WHERE > made; cat made; exit 3"),
        run("test -t 0 && read line && echo got $line", tty=True, yield_time_ms=300),
        write("something\n"),
    )
    async with over_websocket(installation) as server, model_provider(*commands) as provider:
        await turn(program, home, server.url, provider, "danger-full-access")
    ran, waiting, fed = provider.outputs
    assert "exited with code 3" in ran
    assert "the server\n" in ran
    assert "session ID" in waiting
    assert "got something" in fed
    assert (home / "ws/made").read_text(encoding="utf-8") == "the server\n"


async def test_the_sandbox_that_a_released_client_asks_for_holds_here(program, home, installation):
    commands = (run("echo $WHERE; echo x > inside; echo x > ../outside"),)
    async with over_websocket(installation) as server, model_provider(*commands) as provider:
        await turn(program, home, server.url, provider, "workspace-write")
    (output,) = provider.outputs
    assert "the server\n" in output
    assert "exited with code 0" not in output
    assert (home / "ws/inside").exists()
    assert not (home / "outside").exists()
