"""One test's own world: run scripts with a policy of its own, see output and judgements, and what is left running.

Every process of a world carries its mark in the environment, escalated ones included.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shelltool.escalation import (
    Call,
    CommandResult,
    Decision,
    Deny,
    Escalate,
    EscalationPolicy,
    ExecRequest,
    OutputChunk,
    Run,
    Sandbox,
    ShellCommand,
    ShellCommandExecutor,
)
from shelltool.escalation.keeping import KeeperProgram

NO_STARTUP_FILES = {"bash": ("--norc", "--noprofile"), "zsh": ("-f",)}
MARK = "ESCALATION_TEST_WORLD"
DEADLINE_S = 60.0

Decide = Callable[[ExecRequest], Decision]


@dataclass
class ByName:
    """Decides by the last part of argv[0], at once."""

    escalated: Sequence[str] = ()
    denied: Mapping[str, str | None] = field(default_factory=dict)
    even_if_writable: bool = True

    def decide_now(self, request: ExecRequest) -> Decision:
        name = request.argv[0].rpartition("/")[2] if request.argv else ""
        if name in self.denied:
            return Deny(self.denied[name])
        return Escalate(even_if_writable=self.even_if_writable) if name in self.escalated else Run()

    async def decide(self, request: ExecRequest) -> Decision:
        raise AssertionError(f"decide_now gave an answer: {request}")


class Waiting:
    """Decides on the event loop only."""

    def __init__(self, decide: Callable[[ExecRequest], Awaitable[Decision]]) -> None:
        self._decide = decide

    def decide(self, request: ExecRequest) -> Awaitable[Decision]:
        return self._decide(request)


class HeldTime:
    """Holds back the time of a call until something has happened, so that a slow machine gets as far as a fast one."""

    def __init__(self, until: bytes | None = None) -> None:
        """`until`: what has to be written first; without it, `begin` has to be called."""
        self._until = until
        self._held = ExitStack()

    def hold(self, call: Call) -> None:
        self._held.enter_context(call.stopwatch.pause())

    def begin(self) -> None:
        self._held.close()

    def written(self, output: bytes) -> None:
        if self._until is not None and self._until in output:
            self.begin()


@dataclass
class Finished:
    """A result and what was written, in order and by stream."""

    result: CommandResult
    chunks: list[OutputChunk]

    @property
    def output(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)

    def of(self, stream: str) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks if chunk.stream == stream)

    @property
    def stdout(self) -> bytes:
        return self.of("stdout")

    @property
    def stderr(self) -> bytes:
        return self.of("stderr")

    @property
    def names(self) -> list[str]:
        return [judged.request.argv[0].rpartition("/")[2] for judged in self.result.judged]

    @property
    def outcomes(self) -> list[Decision]:
        return [judged.outcome for judged in self.result.judged]


@dataclass
class World:
    """Runs scripts, each in a call of its own."""

    root: Path
    shell: Path
    wrapper: Path
    keeper: KeeperProgram
    own: Mapping[str, str] = field(default_factory=lambda: {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"})
    """The server's own environment."""

    @property
    def mark(self) -> str:
        return f"{os.getpid()}-{self.root}"

    def executor(self, policy: EscalationPolicy, held: HeldTime | None = None) -> ShellCommandExecutor:
        """Make an executor whose every call has this policy, and its time held if there is such a thing."""

        def make(call: Call) -> EscalationPolicy:
            if held:
                held.hold(call)
            return policy

        environment = {**self.own, MARK: self.mark}
        return ShellCommandExecutor(
            wrapper=self.wrapper, policies=make, keeper=self.keeper, environment=environment
        )

    def command(
        self,
        script: str,
        *args: str,
        timeout_s: float | None = None,
        sandbox: Sandbox | None = None,
        env: Mapping[str, str] | None = None,
        workdir: Path | None = None,
    ) -> ShellCommand:
        flags = NO_STARTUP_FILES.get(self.shell.name, ())
        return ShellCommand(
            argv=(str(self.shell), *flags, "-c", script, self.shell.name, *args),
            workdir=workdir or self.root,
            timeout_s=timeout_s,
            sandbox=sandbox or Sandbox(could_write=lambda path: path.is_relative_to(self.root)),
            env=None if env is None else {MARK: self.mark, **env},
        )

    async def call(
        self, policy: EscalationPolicy, command: ShellCommand, held: HeldTime | None = None
    ) -> Finished:
        chunks: list[OutputChunk] = []

        def take(chunk: OutputChunk) -> None:
            chunks.append(chunk)
            if held:
                held.written(b"".join(chunk.data for chunk in chunks))

        async with asyncio.timeout(DEADLINE_S):
            result = await self.executor(policy, held).run(command, on_output=take)
        return Finished(result, chunks)

    def run(
        self,
        script: str,
        *args: str,
        policy: EscalationPolicy | None = None,
        held: HeldTime | None = None,
        **options: Any,
    ) -> Finished:
        """Run a script to its end."""
        return asyncio.run(self.call(policy or ByName(), self.command(script, *args, **options), held))

    def put(self, name: str, text: str | bytes, mode: int = 0o755) -> Path:
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        target.chmod(mode)
        return target

    def left(self) -> list[str]:
        """Give the command lines of this world's processes, this one excepted."""
        return [line for pid, line in marked_processes(self.mark).items() if pid != os.getpid()]

    def check_nothing_is_left(self) -> None:
        left = marked_processes(self.mark)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left


def marked_processes(mark: str) -> dict[int, str]:
    """Find the processes that have the mark in their environment."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state != b"Z":
                    found[int(folder.name)] = line
        except OSError:
            continue
    return found


def gone_within(mark: str, seconds: float) -> bool:
    """Wait for the marked processes to be gone."""
    deadline = time.monotonic() + seconds
    while marked_processes(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
