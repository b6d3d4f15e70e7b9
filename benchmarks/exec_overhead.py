"""What an intercepted exec costs, beside the published program of the same kind, in one run on one machine.

500 execs in one call of the tool, less what the same loop takes in the same shell without a wrapper, each less a loop of
none, for what a call itself takes is measured in `shell_call.py`; with a command that runs in place and with one that a
rule escalates. And what the Python wrapper costs, beside a Python that does nothing.
`python benchmarks/exec_overhead.py [--rounds N]` prints the figures and puts them into `build/bench.json` under the key
`exec_overhead`.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

from benchmarks.results import Figure, publish  # noqa: E402 - the line above is what makes it known
from benchmarks.shell_call import STATE, Server, contenders  # noqa: E402

from integration.mcp_server.peer import fetch_peer  # noqa: E402
from integration.published import PackageUnavailableError  # noqa: E402
from shellbuild.builder import build_shell  # noqa: E402
from shelltool.escalation import (  # noqa: E402
    Decision,
    ExecRequest,
    Run,
    ShellCommand,
    ShellCommandExecutor,
)
from shelltool.escalation.native import write_python_wrapper  # noqa: E402

EXECS = 500
PYTHON_EXECS = 50
RUN_TARGET_RATIO = 0.4
ESCALATED_TARGET_RATIO = 0.5
PYTHON_TARGET_RATIO = 1.3
BARE_LIMIT_S = 120.0
CALL_LIMIT_MS = 120_000
BARE = {"PATH": os.environ["PATH"]}
COMMANDS = {"Run": "/bin/true", "Escalate": "/bin/sleep 0"}
RULES = 'prefix_rule(pattern=["/bin/sleep"], decision="allow")\nprefix_rule(pattern=["sleep"], decision="allow")\n'


def loop(command: str, times: int) -> str:
    """Give a script that runs a command again and again."""
    return f"for ((i = 0; i < {times}; i++)); do {command}; done"


def bare_ms(shell: Path, script: str) -> float:
    """Run a script without anything of ours, where programs find what they find below a server."""
    began = time.perf_counter()
    process = subprocess.Popen([shell, "--norc", "--noprofile", "-c", script], env=BARE)
    deadline = Timer(BARE_LIMIT_S, process.kill)
    deadline.start()
    try:
        status = process.wait()  # not with a timeout, which looks every 50 ms only
        took = (time.perf_counter() - began) * 1000
    finally:
        deadline.cancel()
    if status != 0:
        raise RuntimeError(f"the loop ended with {status}")
    return took


def called_ms(server: Server, script: str) -> float:
    """Run a script by way of a server."""
    arguments = {
        "command": script,
        "workdir": tempfile.gettempdir(),
        "login": False,
        "timeout_ms": CALL_LIMIT_MS,
    }
    began = time.perf_counter()
    result = server.ask("tools/call", {"name": "shell", "arguments": arguments})
    took = (time.perf_counter() - began) * 1000
    said = json.loads(result["content"][0]["text"])
    if said["exit_code"] != 0:
        raise RuntimeError(f"the loop ended with {said['exit_code']}: {said['output'][-500:]}")
    return took


def overheads(
    servers: Mapping[str, Server], shells: Mapping[str, Path], command: str, rounds: int
) -> list[dict[str, float]]:
    """Give the milliseconds that an exec costs more, both one after the other, round after round."""
    script, nothing = loop(command, EXECS), loop(command, 0)
    bare: dict[str, list[float]] = {name: [] for name in servers}
    taken = []
    for _ in range(rounds + 1):
        for name, shell in shells.items():
            bare[name].append(bare_ms(shell, script) - bare_ms(shell, nothing))
        taken.append(
            {name: called_ms(server, script) - called_ms(server, nothing) for name, server in servers.items()}
        )
    less = {name: statistics.median(times) for name, times in bare.items()}
    pairs = [{name: (took - less[name]) / EXECS for name, took in pair.items()} for pair in taken[1:]]
    if any(overhead <= 0 for pair in pairs for overhead in pair.values()):
        raise RuntimeError(
            "the machine is too busy to measure: a loop took less time with a wrapper than without"
        )
    return pairs


def beside_the_package(rounds: int) -> list[Figure]:
    """Measure both servers."""
    figures = []
    with contenders() as both:
        for _, environment in both.values():
            rules = Path(environment["CODEX_HOME"]) / "rules"
            rules.mkdir(exist_ok=True)
            (rules / "default.rules").write_text(RULES, encoding="utf-8")
        servers = {name: Server(*start) for name, start in both.items()}
        shells = {"ours": build_shell("bash", patched=True), "peer": fetch_peer().bash}
        for server in servers.values():
            server.begin()
            server.ask("codex/sandbox-state/update", STATE)
        targets = {"Run": RUN_TARGET_RATIO, "Escalate": ESCALATED_TARGET_RATIO}
        for decision, command in COMMANDS.items():
            pairs = overheads(servers, shells, command, rounds)
            name = f"an exec more, {decision}"
            figures.append(Figure(name=name, unit="ms", pairs=pairs, target_ratio=targets[decision]))
        for server in servers.values():
            server.end()
    return figures


class Always:
    """A policy that runs everything in place."""

    def decide_now(self, request: ExecRequest) -> Decision:
        """Decide at once."""
        assert request.argv
        return Run()

    async def decide(self, request: ExecRequest) -> Decision:
        """Decide the same."""
        return self.decide_now(request)


def python_wrapper(rounds: int) -> Figure:
    """Measure `/bin/true` by way of the Python wrapper beside a Python that does nothing."""
    shell = build_shell("bash", patched=True)
    with tempfile.TemporaryDirectory() as folder:
        executor = ShellCommandExecutor(
            wrapper=write_python_wrapper(Path(folder)), policies=lambda _: Always(), environment={}
        )
        script = loop("/bin/true", PYTHON_EXECS)
        wrapped = ShellCommand(argv=(str(shell), "--norc", "--noprofile", "-c", script), workdir=Path("/"))
        nothing = loop(f"{sys.executable} -I -S -c pass", PYTHON_EXECS)
        pairs = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            result = asyncio.run(executor.run(wrapped, on_output=lambda _: None))
            ours = (time.perf_counter() - began) * 1000
            assert (result.exit_code, result.judged_count) == (0, PYTHON_EXECS)
            pairs.append({"ours": ours / PYTHON_EXECS, "peer": bare_ms(shell, nothing) / PYTHON_EXECS})
    return Figure(
        name="an exec by way of the Python wrapper (for the package's, read `python -I -S -c pass`)",
        unit="ms",
        pairs=pairs[1:],
        target_ratio=PYTHON_TARGET_RATIO,
    )


def main() -> int:
    """Measure, print and write; the status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often everything is done (default: 9)")
    rounds = parser.parse_args().rounds
    figures = [python_wrapper(rounds)]
    try:
        figures = [*beside_the_package(rounds), *figures]
    except PackageUnavailableError as error:
        print(f"not measured beside the package: {error}")
    return publish("exec_overhead", figures)


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    raise SystemExit(main())
