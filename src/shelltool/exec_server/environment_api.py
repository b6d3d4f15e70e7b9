"""`Environment`: where commands run and files lie, here or on another machine. Callers can't tell which.

`local_environment.py` has the one of this machine; the server's handlers call it. `remote_environment.py` has the one
behind an `ExecServerClient`. All functions take and give the models of the wire, and raise `RpcError` where they fail.
The file service's functions are in `files/service.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from shelltool.exec_server.environment_messages import EnvironmentInfo, EnvironmentStatus
from shelltool.exec_server.files.api import FileService
from shelltool.exec_server.http_messages import HttpService
from shelltool.exec_server.messages import Message, Nothing
from shelltool.exec_server.processes.events import ProcessEvent
from shelltool.exec_server.processes.messages import (
    CloseStdin,
    ListProcesses,
    ProcessList,
    ReadProcess,
    ReadResult,
    ResizeProcess,
    SignalProcess,
    StartProcess,
    StartResult,
    TerminateProcess,
    TerminateResult,
    WriteProcess,
    WriteResult,
)

Notify = Callable[[str, Message], Awaitable[None]]
"""Takes a notification: its method and its params. Waits while whoever reads them is too slow."""


class ProcessService(Protocol):
    """Starts, feeds, watches and ends processes. What they do comes as `process/*` notifications."""

    async def start(self, params: StartProcess) -> StartResult:
        """Start a process under an id that the caller chooses."""

    def events(self, process_id: str) -> AsyncIterator[ProcessEvent]:
        """Give all that happens to a process, in order, from its start on; the last one is its close or its failure.

        For one caller, once: what was given need not be kept.
        """

    async def read(self, params: ReadProcess) -> ReadResult:
        """Give output that is retained, waiting for some if asked to."""

    async def write(self, params: WriteProcess) -> WriteResult:
        """Write to standard input."""

    async def close_stdin(self, params: CloseStdin) -> WriteResult:
        """End standard input, behind what was written."""

    async def resize(self, params: ResizeProcess) -> Nothing:
        """Give a terminal another size."""

    async def signal(self, params: SignalProcess) -> Nothing:
        """Signal the process group."""

    async def terminate(self, params: TerminateProcess) -> TerminateResult:
        """End a process and all that it started."""

    async def list(self, params: ListProcesses) -> ProcessList:
        """Give the processes that are known."""


class Environment(Protocol):
    """One machine's processes, files and network."""

    @property
    def processes(self) -> ProcessService:
        """Processes."""

    @property
    def files(self) -> FileService:
        """Files."""

    @property
    def http(self) -> HttpService:
        """Requests to the network, from where the environment is."""

    async def info(self, params: Nothing) -> EnvironmentInfo:
        """Say what machine it is."""

    async def status(self, params: Nothing) -> EnvironmentStatus:
        """Say whether it is ready."""

    async def close(self) -> None:
        """End everything that was started through it."""
