"""One call of a shell, from its start to the end of all that it started.

Puts the parts together: a keeper process, a thread that serves the call's wrappers, and the event loop that watches
the deadline. Nothing here knows how a policy decides or how a sandbox confines.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from shelltool.errors import LaunchError, LeftoverError
from shelltool.escalation.command import TIMED_OUT_CODE, CommandResult, ShellCommand
from shelltool.escalation.deciding import Decisions, OutputChunk, OutputRelay
from shelltool.escalation.environment import EnvironmentReset
from shelltool.escalation.judging import Judge
from shelltool.escalation.keeper_events import Event
from shelltool.escalation.keeping import Keeper, KeeperProgram
from shelltool.escalation.launching import exact_variables, launch_shell, shell_argv
from shelltool.escalation.policy import Call, Decision, EscalationPolicyFactory
from shelltool.escalation.program import Reach, unconfined_could_write
from shelltool.escalation.server import CallServer, Ending
from shelltool.escalation.spare import SpareKeeper
from shelltool.escalation.stopwatch import Stopwatch

END_LIMIT_S = 10.0
"""More than a keeper takes to end everything and give up what can't be ended."""

_Served = tuple[Ending, Event | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What all calls of an executor share."""

    keeper: KeeperProgram
    spare: SpareKeeper | None
    threads: ThreadPoolExecutor
    environment: dict[str, str]
    """The server's own: for shells that get no other, and for resets."""
    wrapper_variables: dict[str, str]


class RunningCall:
    """One call, from its start to the end of all that it started."""

    def __init__(
        self,
        means: Means,
        command: ShellCommand,
        policies: EscalationPolicyFactory,
        on_output: Callable[[OutputChunk], None],
    ) -> None:
        reach = Reach(command.sandbox.could_write or unconfined_could_write(command.workdir))
        self._means = means
        self._command = command
        self._stopwatch = Stopwatch(command.timeout_s)
        policy = policies(Call(workdir=command.workdir, stopwatch=self._stopwatch))
        self._judge = Judge(policy, reach)
        self._reset = EnvironmentReset(means.environment, reach)
        self._output = OutputRelay(on_output)
        self._output.connect(resume=self._wake, give_up=self._end)
        self._server: CallServer | None = None
        self._keeper: Keeper | None = None

    async def run(self) -> CommandResult:
        """Run to the end, the deadline or the cancellation, and leave nothing running."""
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
        spare = self._means.spare
        try:
            keeper = spare.take() if spare else Keeper(self._means.keeper)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits for the report
            report.failed(error)
            return
        try:
            self._server = self._start(keeper, decisions)
            self._keeper = keeper
            self._means.threads.submit(self._work, self._server, keeper, report)
        except BaseException as error:  # noqa: BLE001 - as above
            # Not on a thread: there may be none to be had, and a shell that nobody serves must not go on.
            self._abandon(keeper, report, error)

    def _start(self, keeper: Keeper, decisions: Decisions) -> CallServer:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs:
            try:
                launch_shell(keeper, self._command, self._environment(), theirs.fileno())
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
            if self._means.spare:
                self._means.spare.refill()  # while the shell starts
            served = server.serve(), server.main_exit
        except BaseException as error:  # noqa: BLE001 - as in _begin
            self._abandon(keeper, report, error)
        else:
            self._told(served, keeper, report)

    def _abandon(self, keeper: Keeper, report: "_Report", error: BaseException) -> None:
        try:
            if self._server:
                self._server.close()
            keeper.finish()
        finally:
            report.failed(error)

    @staticmethod
    def _told(served: _Served, keeper: Keeper, report: "_Report") -> None:
        """Tell, and wait for the keeper's own end; before that only where it has not said that all is ended."""
        if served[0] is Ending.CLEAN:
            report.served(served)
            keeper.finish()
        else:
            try:
                keeper.finish()
            finally:
                report.served(served)

    def _environment(self) -> dict[str, str]:
        env = self._command.env
        return (
            self._means.environment if env is None else exact_variables(env)
        ) | self._means.wrapper_variables

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

    def _result(self, work: _Served, *, timed_out: bool) -> CommandResult:
        ending, main = work
        if main and main.error is not None:
            name = shell_argv(self._command)[0]
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
