"""The processes of one session: `ProcessService` on this machine.

Owns the ids, how long finished processes are kept readable, and the end of everything when the session ends.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shelltool.exec_server.errors import invalid_params, invalid_request
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.processes import messages as m
from shelltool.exec_server.processes.events import OutputDropped, ProcessEvent
from shelltool.exec_server.processes.launching import Launcher, Prepared
from shelltool.exec_server.processes.outlet import Outlet
from shelltool.exec_server.processes.process import ManagedProcess, Settings
from shelltool.sandbox import sweep

END_LIMIT_S = 12.0
"""More than a supervisor and its guard take to end everything and give up what can't be ended."""

SHOWN_CHARS = 100
"""Of what a client chose, in the log."""

log = logging.getLogger(__name__)


class Interception(Protocol):
    """What answers for one process (`interception.py`)."""

    def given(self, prepared: Prepared) -> Prepared:
        """Add what the process needs to ask."""

    def started(self) -> None:
        """Let go of what the process has now."""

    async def close(self) -> None:
        """End what the process had started elsewhere."""


Intercept = Callable[[str, Prepared], Awaitable[Interception]]


@dataclass(slots=True)
class _Entry:
    process: ManagedProcess
    sandbox_type: str = "none"


class LocalProcesses:
    """Starts, feeds, watches and ends the processes of one session."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        settings: Settings,
        outlet: Outlet,
        intercept: Intercept | None = None,
        session: str = "local",
    ) -> None:
        """`intercept` begins to answer for a process that is to run under rules; `session` is for the log."""
        self._launcher = launcher
        self._intercept = intercept
        self._session = session
        self._settings = settings
        self._outlet = outlet
        self._entries: dict[str, _Entry] = {}
        self._all: set[ManagedProcess] = set()
        """Those too whose id is forgotten and that left something in the background."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def start(self, params: m.StartProcess) -> m.StartResult:
        """See `ProcessService`."""
        self._check_open()
        if params.process_id in self._entries:
            raise invalid_request(f"process {params.process_id} already exists")
        process = ManagedProcess(
            params, self._settings, self._outlet, lambda: self._closed(params.process_id)
        )
        entry = self._entries[params.process_id] = _Entry(process)
        try:
            prepared = await self._prepare(params)
            await self._run(process, prepared)
        except BaseException as error:
            self._entries.pop(params.process_id, None)
            process.fail(error)
            raise
        entry.sandbox_type = prepared.sandbox_type
        self._log("process started", process, pid=process.pid, sandbox=prepared.sandbox_type)
        return m.StartResult.model_validate(
            {
                "processId": params.process_id,
                "sandboxType": prepared.sandbox_type,
            }
        )

    async def _run(self, process: ManagedProcess, prepared: Prepared) -> None:
        interception = None
        if self._intercept:
            interception = await self._intercept(process.params.process_id, prepared)
            prepared = interception.given(prepared)
        self._all.add(process)
        self._watch(process, prepared, interception)
        try:
            self._check_open()  # preparing took its time, and nobody would end the process any more
            await process.start(prepared)
        finally:
            if interception:
                interception.started()

    async def _prepare(self, params: m.StartProcess) -> Prepared:
        if self._launcher.needs_thread(params):
            return await asyncio.to_thread(self._launcher.prepare, params)
        return self._launcher.prepare(params)

    async def events(self, process_id: str) -> AsyncIterator[ProcessEvent]:
        """See `ProcessService`."""
        process = self._known(process_id)
        seq = 0
        while seq < process.record.last_seq or not process.record.closed:
            await process.news_after(seq)
            for event in process.record.events(process_id, seq):
                seq = event.last_seq if isinstance(event, OutputDropped) else getattr(event, "seq", seq)
                yield event

    async def read(self, params: m.ReadProcess) -> m.ReadResult:
        """See `ProcessService`."""
        return await self._known(params.process_id).read(params)

    async def write(self, params: m.WriteProcess) -> m.WriteResult:
        """See `ProcessService`."""
        entry = self._entries.get(params.process_id)
        if entry is None:
            return m.WriteResult(status="unknownProcess")
        standard_input = await entry.process.input()
        return m.WriteResult(status=await standard_input.write(params.chunk, params.write_id))

    async def close_stdin(self, params: m.CloseStdin) -> m.WriteResult:
        """See `ProcessService`."""
        entry = self._entries.get(params.process_id)
        if entry is None:
            return m.WriteResult(status="unknownProcess")
        return m.WriteResult(status=(await entry.process.input()).end())

    async def resize(self, params: m.ResizeProcess) -> Nothing:
        """See `ProcessService`."""
        process = self._known(params.process_id)
        if not (await process.input()).resize(params.rows, params.columns):
            raise invalid_request(f"process {params.process_id} has no terminal")
        return Nothing()

    async def signal(self, params: m.SignalProcess) -> Nothing:
        """See `ProcessService`."""
        number = signal_number(params.signal)
        entry = self._entries.get(params.process_id)
        if entry:
            await entry.process.signal(number)
        return Nothing()

    async def terminate(self, params: m.TerminateProcess) -> m.TerminateResult:
        """See `ProcessService`."""
        entry = self._entries.get(params.process_id)
        running = await entry.process.terminate((params.grace_ms or 0) / 1000) if entry else False
        return m.TerminateResult(running=running)

    async def list(self, params: m.ListProcesses) -> m.ProcessList:  # noqa: ARG002 - it has none yet
        """See `ProcessService`."""
        return m.ProcessList(processes=[_summary(entry.process) for entry in self._entries.values()])

    @property
    def live_count(self) -> int:
        """How many have not ended."""
        return sum(not entry.process.record.exited for entry in self._entries.values())

    async def close(self) -> None:
        """End everything that was started, and wait until it is gone."""
        self._is_closed = True
        for process in self._all:
            process.end()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=END_LIMIT_S)
            if left:
                log.error("processes could not be ended", extra={"count": len(left)})
        self._entries.clear()

    def _check_open(self) -> None:
        if self._is_closed:
            raise invalid_request("the session has ended")

    def _known(self, process_id: str) -> ManagedProcess:
        entry = self._entries.get(process_id)
        if entry is None:
            raise invalid_request(f"unknown process id {process_id}")
        return entry.process

    def _closed(self, process_id: str) -> None:
        entry = self._entries.get(process_id)
        if entry is not None:
            self._log("process ended", entry.process, exit_code=entry.process.record.exit_code)
        asyncio.get_running_loop().call_later(self._settings.retention_s, self._forget, process_id, entry)

    def _log(self, event: str, process: ManagedProcess, **facts: object) -> None:
        known = {"session": self._session, "process_id": process.params.process_id[:SHOWN_CHARS]}
        log.info(event, extra={**known, **facts})

    def _forget(self, process_id: str, entry: _Entry | None) -> None:
        if entry is not None and self._entries.get(process_id) is entry:
            del self._entries[process_id]

    def _watch(self, process: ManagedProcess, prepared: Prepared, interception: Interception | None) -> None:
        async def until_gone() -> None:
            await process.gone.wait()
            self._all.discard(process)
            if interception:
                await interception.close()
            if prepared.placeholders:
                await asyncio.to_thread(sweep, prepared.placeholders, deadline_s=0.0)

        task = asyncio.get_running_loop().create_task(until_gone())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def signal_number(wanted: str | int) -> int:
    """Read a signal: `interrupt`, a name with or without SIG, or a number."""
    if isinstance(wanted, int) and wanted in signal.valid_signals():
        return int(wanted)
    if isinstance(wanted, str):
        name = "SIGINT" if wanted == "interrupt" else wanted.upper()
        for candidate in (name, f"SIG{name}"):
            if candidate in signal.Signals.__members__:
                return int(signal.Signals[candidate])
    raise invalid_params(f"unknown signal `{wanted}`, expected `interrupt`, a name or a number of a signal")


def _summary(process: ManagedProcess) -> m.ProcessSummary:
    record = process.record
    return m.ProcessSummary(
        process_id=process.params.process_id,
        argv=process.params.argv,
        cwd=process.params.cwd,
        pid=process.pid,
        tty=process.params.tty,
        exited=record.exited,
        exit_code=record.exit_code,
        closed=record.closed,
        last_seq=record.last_seq,
        retained_bytes=record.retained_bytes,
        dropped_bytes=record.dropped_bytes,
    )
