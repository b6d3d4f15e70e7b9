"""One process from its start to the end of all that it left: streams, events, standard input, signals.

Owns its descriptors and its supervisor. What is known of it is in its `record`; notifications go to the session's
outlet. Numbers of events are given here and nowhere else, so they are contiguous.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from shelltool.exec_server.errors import RpcError, from_os_error, internal
from shelltool.exec_server.messages import Message
from shelltool.exec_server.processes.descriptors import Pipes, open_pipes
from shelltool.exec_server.processes.launching import Prepared
from shelltool.exec_server.processes.messages import (
    ProcessClosed,
    ProcessExited,
    ProcessOutput,
    ReadProcess,
    ReadResult,
    StartProcess,
    Stream,
)
from shelltool.exec_server.processes.outlet import Outlet
from shelltool.exec_server.processes.record import ProcessRecord
from shelltool.exec_server.processes.standard_input import StandardInput
from shelltool.exec_server.processes.streams import InputStream, OutputStream
from shelltool.exec_server.processes.supervising import Launch, News, Supervisor, SupervisorProgram

DRAINED_CHUNKS = 64
"""Read at once when the process has ended: more than pipes hold by default."""
WAIT_MS_MAX = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for every process."""

    supervisor: SupervisorProgram
    files_limit: int
    retained_bytes: int = 1 << 20
    retention_s: float = 80.0


class ManagedProcess:
    """One process."""

    def __init__(
        self, params: StartProcess, settings: Settings, outlet: Outlet, on_closed: Callable[[], None]
    ) -> None:
        self.params = params
        self.record = ProcessRecord(retained_limit=settings.retained_bytes)
        self.pid: int | None = None
        self.gone = asyncio.Event()
        """Set when nothing that it started is left."""
        self._settings = settings
        self._outlet = outlet
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._supervisor: Supervisor | None = None
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._outputs: list[OutputStream] = []
        self._input = StandardInput(None, terminal=params.tty)
        self._news = asyncio.Event()
        self._prepared: Prepared | None = None
        self._is_waiting_for_room = False
        self._early_status: int | None = None
        self._is_released = False
        self._kill_timer: asyncio.TimerHandle | None = None

    async def start(self, prepared: Prepared) -> None:
        """Start it; returns when its program has been executed, or raises an `RpcError`."""
        self._prepared = prepared
        try:
            pipes = open_pipes(self.params)
        except OSError as error:
            raise from_os_error(error, spawning=True) from error
        try:
            self._launch(prepared, pipes)
            await asyncio.shield(self._started)
        except BaseException:
            self.end()
            self._close_streams()
            raise
        self._release()

    def _release(self) -> None:
        """Let events come, from the next round of the loop on: whoever started it hears of that first."""
        self._is_released = True
        self._let_output_come()
        if self._early_status is not None:
            self._loop.call_soon(self._exited, self._early_status)

    def _launch(self, prepared: Prepared, pipes: Pipes) -> None:
        streams: tuple[Stream, ...] = ("pty",) if self.params.tty else ("stdout", "stderr")
        self._outputs = [
            OutputStream(fd, lambda data, stream=stream: self._take_output(stream, data), self._stream_ended)  # type: ignore[misc]
            for fd, stream in zip(pipes.outputs, streams, strict=True)
        ]
        if pipes.input is not None:
            self._input = StandardInput(InputStream(pipes.input), terminal=self.params.tty)
        launch = Launch(
            program=prepared.program,
            argv=prepared.argv,
            env=prepared.env,
            cwd=prepared.cwd,
            streams=pipes.childs,
            terminal=self.params.tty,
            kept=prepared.kept,
        )
        try:
            self._supervisor = Supervisor(
                self._settings.supervisor, launch, self._hear, self._settings.files_limit
            )
        except OSError as error:
            self.gone.set()
            raise from_os_error(error, spawning=True) from error
        except ValueError as error:
            self.gone.set()
            raise internal(str(error)) from error
        finally:
            pipes.close_childs()

    def _hear(self, news: News, value: int) -> None:
        match news:
            case News.STARTED:
                self.pid = value
                self._set_started(None)
            case News.FAILED_FOLDER:
                self._set_started(from_os_error(OSError(value, ""), self.params.cwd, spawning=True))
            case News.FAILED_EXEC:
                self._set_started(from_os_error(OSError(value, ""), self.params.argv[0], spawning=True))
            case News.EXITED:
                self._exited(value)
            case News.GONE:
                self._everything_gone()

    def _set_started(self, failure: RpcError | None) -> None:
        if self._started.done():
            return
        if failure:
            self._started.set_exception(failure)
            self._started.exception()  # whoever started it may have been cancelled
        else:
            self._started.set_result(None)

    def _let_output_come(self) -> None:
        self._is_waiting_for_room = False
        for stream in self._outputs:
            stream.resume()

    def _take_output(self, stream: Stream, data: bytes) -> None:
        chunk = self.record.add_output(stream, data)
        self._emit(
            "process/output",
            ProcessOutput.model_construct(
                process_id=self.params.process_id, seq=chunk.seq, stream=stream, chunk=data
            ),
        )
        if self._outlet.is_full and not self._is_waiting_for_room:
            self._is_waiting_for_room = True
            for output in self._outputs:
                output.pause()
            self._outlet.when_not_full(self._let_output_come)

    def _emit(self, method: str, params: Message) -> None:
        self._outlet.send(method, params)
        self._news.set()

    def _stream_ended(self) -> None:
        self._close_if_over()

    def _exited(self, status: int) -> None:
        if self.pid is None or self.record.exited:
            return  # it was never the program, only a child that failed to become it
        if not self._is_released:
            self._early_status = status
            return
        code = os.waitstatus_to_exitcode(status)
        self._drain()
        number = -code if code < 0 else None
        confined = self._prepared is not None and self._prepared.confined
        seq = self.record.set_exited(128 - code if code < 0 else code, number, confined=confined)
        assert self.record.exit_code is not None  # noqa: S101 - for the type checker
        self._emit(
            "process/exited",
            ProcessExited(
                process_id=self.params.process_id,
                seq=seq,
                exit_code=self.record.exit_code,
                sandbox_denied=self.record.sandbox_denied,
                signal=number,
            ),
        )
        self._close_if_over()

    def _drain(self) -> None:
        """Read what it wrote before it ended, so that it comes before the news of the end."""
        for stream in self._outputs:
            for _ in range(DRAINED_CHUNKS):
                if self._is_waiting_for_room or not stream.is_open or not stream.read_once():
                    break

    def _close_if_over(self) -> None:
        if self.record.closed or not self.record.exited or any(stream.is_open for stream in self._outputs):
            return
        self._input.forget()
        seq = self.record.set_closed()
        self._emit("process/closed", ProcessClosed(process_id=self.params.process_id, seq=seq))
        self._on_closed()

    def _everything_gone(self) -> None:
        self.gone.set()
        if self._kill_timer:
            self._kill_timer.cancel()
        self._set_started(internal("the supervisor of the process ended before it had started it"))
        if self.pid is not None and not self.record.exited and self._early_status is None:
            self._exited(signal.SIGKILL)  # something killed the supervisor, and the process with it

    def _close_streams(self) -> None:
        for stream in self._outputs:
            stream.close()
        self._input.forget()

    async def read(self, params: ReadProcess) -> ReadResult:
        """Give output, waiting for news if there is none."""
        await self._wait_started()
        after = params.after_seq or 0
        if params.wait_ms and not self.record.has_news(after):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(params.wait_ms, WAIT_MS_MAX) / 1000):
                    await self.news_after(after)
        return self.record.read(after, params.max_bytes)

    async def news_after(self, seq: int) -> None:
        """Wait until there is something after a number."""
        while not self.record.has_news(seq):
            self._news.clear()
            await self._news.wait()

    async def input(self) -> StandardInput:
        """Give its standard input, once it has started."""
        await self._wait_started()
        return self._input

    async def signal(self, number: int) -> None:
        """Signal its process group, if it has not ended."""
        await self._wait_started()
        if self._supervisor and not self.record.exited:
            self._supervisor.signal_group(number)

    async def terminate(self, grace_s: float) -> bool:
        """End it and all that descends from it, unless all of its output is over already."""
        with contextlib.suppress(RpcError):
            await self._wait_started()
        was_running = not self.record.exited
        if self._supervisor and not self.record.closed:
            if grace_s > 0 and was_running:
                self._supervisor.signal_all(signal.SIGTERM)
                self._kill_timer = self._loop.call_later(grace_s, self._supervisor.end_all)
            else:
                self._supervisor.end_all()
        return was_running

    def end(self) -> None:
        """End it by force, whatever state it is in; `gone` says when it is so."""
        if self._supervisor:
            self._supervisor.end_all()
        else:
            self.gone.set()

    async def _wait_started(self) -> None:
        await asyncio.shield(self._started)

    def fail(self, error: BaseException) -> None:
        """Take it that it could not be started."""
        self._set_started(error if isinstance(error, RpcError) else internal("the process was not started"))
        if self._supervisor is None:
            self.gone.set()
