"""Run one shell command: spawn it under its sandbox prefix, judge its execs, relay its output, end what it started.

Puts the parts together: a keeper process, a thread that serves the call's wrappers, and the event loop that watches
the deadline. Nothing here knows how a policy decides or how a sandbox confines.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shelltool.descriptor_limit import original_limits
from shelltool.errors import LaunchError, LeftoverError
from shelltool.escalation.deciding import Decisions, OutputChunk, OutputRelay
from shelltool.escalation.environment import EnvironmentReset
from shelltool.escalation.judging import Judge
from shelltool.escalation.keeping import (
    Event,
    Inherited,
    Keeper,
    KeeperProgram,
    Spawn,
    Strings,
    Variables,
)
from shelltool.escalation.native import default_keeper
from shelltool.escalation.policy import Call, Decision, EscalationPolicyFactory, Judged
from shelltool.escalation.program import CouldWrite, Reach, unconfined_could_write
from shelltool.escalation.server import MAIN, CallServer, Ending
from shelltool.escalation.spare import SpareKeeper
from shelltool.escalation.stopwatch import Stopwatch

CALLS_MAX = 512
"""At once; the next ones wait."""

SOCKET_NUMBER = 172
"""What the wrappers' socket is called in the shell: out of the way of what scripts and shells use."""

WRAPPER_VARIABLES = ("EXEC_WRAPPER", "BASH_EXEC_WRAPPER")
SOCKET_VARIABLE = "CODEX_ESCALATE_SOCKET"

TIMED_OUT_CODE = 124
"""As timeout(1) has it."""

LINGER_MS = 500
"""How long processes that outlive the shell may finish, `>(tee log)` for example, before they are ended."""

GRACE_MS = 250
"""Between SIGTERM and SIGKILL: enough for a lock file to be removed, too little to notice."""

END_LIMIT_S = 10.0
"""More than a keeper takes to end everything and give up what can't be ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How the shell is confined: what is put in front of its argv, and what it could write from there.

    `could_write` gets an absolute path without links in its folders (a file, a link or a folder; it need not exist)
    and tells whether a process in the sandbox could create, replace or change it. It is called on threads. None, for
    a shell without a sandbox: see `unconfined_could_write` in `program.py`.
    """

    prefix: tuple[str, ...] = ()
    could_write: CouldWrite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """What to run. `env` is the shell's environment; None: the server's own. The wrapper's variables are added."""

    argv: tuple[str, ...]
    workdir: Path
    timeout_s: float | None = None
    sandbox: Sandbox = field(default_factory=Sandbox)
    env: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How it ended. `exit_code` is 128+n after signal n, and TIMED_OUT_CODE after the deadline."""

    exit_code: int
    timed_out: bool
    duration_s: float
    judged: tuple[Judged, ...]
    judged_count: int
    """How many execs were judged; `judged` holds the first thousand."""


class ShellCommandExecutor:
    """Runs shell commands, several at a time; a policy for each."""

    def __init__(
        self,
        *,
        wrapper: Path,
        policies: EscalationPolicyFactory,
        keeper: KeeperProgram | None = None,
        environment: Mapping[str, str] | None = None,
        in_reserve: bool = False,
    ) -> None:
        """`keeper`: None finds the native helper, or takes Python. `environment`: the server's own, for resets.

        `in_reserve`: have a keeper ready for the next call, for a server that lives long. Until `close`, or the end of
        this process, there is then a keeper that does nothing.

        Raises the soft limit of open descriptors of this process; commands get the old one.
        """
        self.wrapper = wrapper
        self.policies = policies
        self.keeper = keeper or default_keeper()
        self.environment: Mapping[str, str] = os.environ.copy() if environment is None else environment
        self.exact_environment = _exact_variables(self.environment)
        self.threads = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix="escalation")
        self._slots = asyncio.Semaphore(CALLS_MAX)
        self.spare = SpareKeeper(self.keeper) if in_reserve else None
        original_limits()

    async def run(self, command: ShellCommand, *, on_output: Callable[[OutputChunk], None]) -> CommandResult:
        """Run to the end, the deadline or the cancellation, and leave nothing running."""
        async with self._slots:
            return await _RunningCall(self, command, on_output).run()

    def close(self) -> None:
        """Let go of what is kept for later calls."""
        if self.spare:
            self.spare.close()


class _RunningCall:
    """One call, from its start to the end of all that it started."""

    def __init__(
        self, executor: ShellCommandExecutor, command: ShellCommand, on_output: Callable[[OutputChunk], None]
    ) -> None:
        reach = Reach(command.sandbox.could_write or unconfined_could_write(command.workdir))
        self._executor = executor
        self._command = command
        self._stopwatch = Stopwatch(command.timeout_s)
        policy = executor.policies(Call(workdir=command.workdir, stopwatch=self._stopwatch))
        self._judge = Judge(policy, reach)
        self._reset = EnvironmentReset(executor.exact_environment, reach)
        self._output = OutputRelay(on_output)
        self._output.connect(resume=self._wake, give_up=self._end)
        self._server: CallServer | None = None
        self._keeper: Keeper | None = None

    async def run(self) -> CommandResult:
        """See `ShellCommandExecutor.run`."""
        decisions = Decisions(self._judge, self._decided)
        loop = asyncio.get_running_loop()
        work: asyncio.Future[_Served] = loop.create_future()
        expired = asyncio.ensure_future(self._stopwatch.expired())
        waited: set[asyncio.Future[Any]] = {work, expired}
        self._begin(decisions, _Report(loop, work))
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            timed_out = not work.done()
        finally:
            expired.cancel()
            self._end()
            await _to_the_end(work, self._give_up)
            await decisions.close()
        self._output.flush()
        if self._output.failure:
            raise self._output.failure
        return self._result(work.result(), timed_out=timed_out)

    def _begin(self, decisions: Decisions, report: "_Report") -> None:
        """Start the shell, which need not wait for a thread to wake up; all else is done on one."""
        spare, threads = self._executor.spare, self._executor.threads
        try:
            keeper = spare.take() if spare else Keeper(self._executor.keeper)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for the report
            report.failed(error)
            return
        try:
            self._server = self._start(keeper, decisions)
            self._keeper = keeper
            threads.submit(self._work, self._server, keeper, report)
        except BaseException as error:  # noqa: BLE001 - as above
            # Not on a thread: there may be none to be had, and a shell that nobody serves must not go on.
            self._abandon(keeper, report, error)

    def _start(self, keeper: Keeper, decisions: Decisions) -> CallServer:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs:
            try:
                self._launch(keeper, theirs.fileno())
                return CallServer(
                    keeper=keeper,
                    session=ours,
                    judge=self._judge,
                    asker=decisions,
                    reset=self._reset,
                    output=self._output,
                )
            except BaseException:
                ours.close()
                raise

    def _work(self, server: CallServer, keeper: Keeper, report: "_Report") -> None:
        """Serve the call, and tell when none of its processes is left; on a thread."""
        try:
            if self._executor.spare:
                self._executor.spare.refill()  # while the shell starts
            served = server.serve(), server.main_exit
        except BaseException as error:  # noqa: BLE001 - as in _begin
            self._abandon(keeper, report, error)
        else:
            self._told(served, keeper, report)

    def _abandon(self, keeper: Keeper, report: "_Report", error: BaseException) -> None:
        if self._server:
            self._server.close()
        keeper.finish()
        report.failed(error)

    @staticmethod
    def _told(served: "_Served", keeper: Keeper, report: "_Report") -> None:
        """Tell, and wait for the keeper's own end; before that only where it has not said that all is ended."""
        if served[0] is Ending.CLEAN:
            report.served(served)
            keeper.finish()
        else:
            keeper.finish()
            report.served(served)

    def _launch(self, keeper: Keeper, session_fd: int) -> None:
        argv = [*self._command.sandbox.prefix, *self._command.argv]
        try:
            workdir_fd = os.open(self._command.workdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            nothing_fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise LaunchError(f"{self._command.workdir}: can't be the working directory: {error}") from error
        try:
            keeper.spawn(
                MAIN,
                Spawn(
                    strings=Strings(
                        _exact(shutil.which(argv[0]) or argv[0]),
                        list(map(_exact, argv)),
                        Variables(self._environment()),
                    ),
                    workdir_fd=workdir_fd,
                    descriptors={0: nothing_fd, SOCKET_NUMBER: session_fd},
                    main=True,
                    trusted=True,
                    inherited=Inherited(rlimits=original_limits()),
                    linger_ms=LINGER_MS,
                    grace_ms=GRACE_MS,
                ),
            )
        finally:
            os.close(workdir_fd)
            os.close(nothing_fd)

    def _environment(self) -> dict[str, str]:
        given = self._executor.environment if self._command.env is None else self._command.env
        wrapper = _exact(str(self._executor.wrapper))
        ours = dict.fromkeys(WRAPPER_VARIABLES, wrapper) | {SOCKET_VARIABLE: str(SOCKET_NUMBER)}
        return _exact_variables(given) | ours

    def _decided(self, number: int, decision: Decision) -> None:
        if self._server:
            self._server.decided(number, decision)

    def _wake(self) -> None:
        if self._server:
            self._server.wake()

    def _end(self) -> None:
        if self._keeper:
            self._keeper.end()

    def _give_up(self) -> None:
        if self._keeper:
            self._keeper.kill()

    def _result(self, work: "_Served", *, timed_out: bool) -> CommandResult:
        ending, main = work
        if main and main.error is not None:
            name = [*self._command.sandbox.prefix, *self._command.argv][0]
            raise LaunchError(f"{name}: can't be executed: {os.strerror(main.error)}")
        if ending is Ending.LEFTOVERS:
            raise LeftoverError(f"{self._command.argv[0]}: some of its processes could not be ended")
        # Without a keeper there is no status: whatever killed it has killed the shell.
        exit_code = main.exit_code if main else 128 + signal.SIGKILL
        return CommandResult(
            exit_code=TIMED_OUT_CODE if timed_out else exit_code,
            timed_out=timed_out,
            duration_s=self._stopwatch.elapsed_s,
            judged=tuple(self._judge.judged),
            judged_count=self._judge.judged_count,
        )


_Served = tuple[Ending, Event | None]


class _Report:
    """How a call's thread tells the event loop what came of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: asyncio.Future[_Served]) -> None:
        self._loop = loop
        self._work = work

    def served(self, served: _Served) -> None:
        self._tell(lambda: self._work.set_result(served))

    def failed(self, error: BaseException) -> None:
        self._tell(lambda: self._work.set_exception(error))

    def _tell(self, set_it: Callable[[], None]) -> None:
        # A loop that is closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: None if self._work.done() else set_it())


async def _to_the_end(work: asyncio.Future[_Served], give_up: Callable[[], None]) -> None:
    """Wait until the thread is through, whatever is cancelled meanwhile; the cancellation is raised afterwards."""
    cancelled = False
    for patience_s in (END_LIMIT_S, END_LIMIT_S):
        deadline = time.monotonic() + patience_s
        while not work.done() and (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait({work}, timeout=left)
            except asyncio.CancelledError:
                cancelled = True
        if work.done():
            break
        give_up()
    else:
        raise LeftoverError("the keeper of a call's processes does not end; some of them may be left")
    if cancelled:
        raise asyncio.CancelledError


def _exact(text: str) -> str:
    """Turn what Python decoded as the file system's encoding has it into UTF-8 with escapes."""
    return text if text.isascii() else os.fsencode(text).decode(errors="surrogateescape")


def _exact_variables(variables: Mapping[str, str]) -> dict[str, str]:
    if all(map(str.isascii, variables)) and all(map(str.isascii, variables.values())):
        return dict(variables)  # as nearly always, and every call waits for it
    return {_exact(name): _exact(value) for name, value in variables.items()}
