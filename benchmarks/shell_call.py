"""What a call of the tool costs, beside the published program of the same kind, in one run on one machine.

Calls take turns, so that whatever else the machine does hits both. `python benchmarks/shell_call.py [--calls N]` prints
the figures and puts them into `build/bench.json` under the key `shell_call`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

from benchmarks.results import Figure, publish  # noqa: E402 - the line above is what makes it known

from integration.mcp_server.installed import install  # noqa: E402
from integration.mcp_server.peer import fetch_peer  # noqa: E402
from integration.published import PackageUnavailableError  # noqa: E402

STARTS = 7
ENDING_S = 10.0
CALL_TARGET_RATIO = 1.3
READY_TARGET_MS = 1000.0
STATE = {
    "sandboxPolicy": {"type": "danger-full-access"},
    "sandboxCwd": "/",
    "codexLinuxSandboxExe": None,
    "useLinuxSandboxBindMounts": False,
}
HANDSHAKE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "0"},
}

Contenders = Mapping[str, tuple[Sequence[str], Mapping[str, str]]]
"""The command lines and environments of both."""


class Server:
    """A server that is spoken to with as little between as possible."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        self._number = 0

    def ask(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its result."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        assert self._process.stdout
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if message.get("id") == self._number:
                result: dict[str, Any] = message["result"]
                return result
        raise EOFError(f"{self._process.args!r} ended")

    def begin(self) -> None:
        """Go through the handshake."""
        self.ask("initialize", HANDSHAKE)
        self._send({"method": "notifications/initialized"})

    def call(self, *, login: bool) -> float:
        """Run `:` and give the milliseconds that it took."""
        arguments = {"command": ":", "workdir": "/", "login": login}
        began = time.perf_counter()
        self.ask("tools/call", {"name": "shell", "arguments": arguments})
        return (time.perf_counter() - began) * 1000

    def memory_mib(self) -> float:
        """Give the resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def end(self) -> None:
        """Leave."""
        self._process.communicate(timeout=ENDING_S)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def contenders() -> Iterator[Contenders]:
    """Give both, with a home that has no rules."""
    peer = fetch_peer()
    with tempfile.TemporaryDirectory() as folder:
        installation = install(Path(folder) / "installation")
        (home := Path(folder) / "home").mkdir()
        # No locale: programs that load its files spend more on that than on being intercepted. Left out and not set
        # to C, with which the package's shell overruns its argument vector and runs something else.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CODEX_", "LANG", "LC_", "PYTHON"))
        }
        environment |= {"HOME": str(home), "CODEX_HOME": str(home)}
        ours = environment | {"PYTHONPATH": str(installation.source)}
        theirs = [str(peer.server), "--bash", str(peer.bash), "--execve", str(peer.wrapper)]
        yield {
            "ours": ([sys.executable, "-m", "shelltool.mcp_server.cli"], ours),
            "peer": (theirs, environment),
        }


def time_to_ready(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    """Give the milliseconds from the start to the answer to `initialize`."""
    began = time.perf_counter()
    server = Server(argv, environment)
    server.begin()
    took = (time.perf_counter() - began) * 1000
    server.end()
    return took


def measure(calls: int) -> list[Figure]:
    """Measure both, taking turns."""
    with contenders() as both:
        for start in both.values():
            time_to_ready(*start)  # what is not compiled or cached yet
        ready = [{name: time_to_ready(*start) for name, start in both.items()} for _ in range(STARTS)]
        servers = {name: Server(*start) for name, start in both.items()}
        for server in servers.values():
            server.begin()
            server.ask("codex/sandbox-state/update", STATE)
        plain, login = turns(servers, calls, login=False), turns(servers, calls // 10, login=True)
        memory = [{name: server.memory_mib() for name, server in servers.items()}]
        for server in servers.values():
            server.end()
    return [
        Figure(name="call of `:`", unit="ms", pairs=plain, target_ratio=CALL_TARGET_RATIO),
        Figure(name="call of `:` in a login shell", unit="ms", pairs=login, target_ratio=CALL_TARGET_RATIO),
        Figure(name="time to ready", unit="ms", pairs=ready, target=READY_TARGET_MS),
        Figure(name="memory after the calls", unit="MiB", pairs=memory),
    ]


def turns(servers: Mapping[str, Server], rounds: int, *, login: bool) -> list[dict[str, float]]:
    """Call one after the other, round after round; the first round does not count."""
    taken = [{name: server.call(login=login) for name, server in servers.items()} for _ in range(rounds + 1)]
    return taken[1:]


def main() -> int:
    """Measure, print and write; the status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=300, help="how often each is called (default: 300)")
    try:
        figures = measure(parser.parse_args().calls)
    except PackageUnavailableError as error:
        print(f"not measured: {error}")
        return 0
    return publish("shell_call", figures)


if __name__ == "__main__":
    raise SystemExit(main())
