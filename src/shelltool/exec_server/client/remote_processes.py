"""Processes on the other side of an `ExecServerClient`: a `ProcessService` whose events are in order and complete."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

from pydantic import ValidationError

from shelltool.errors import ExecServerError
from shelltool.exec_server.client.client import ExecServerClient
from shelltool.exec_server.client.recovery import TransportError
from shelltool.exec_server.client.replica import ProcessReplica
from shelltool.exec_server.errors import INVALID_REQUEST, RpcError, invalid_request
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.processes import messages as m
from shelltool.exec_server.processes.events import Numbered, ProcessEvent

EVENTS: dict[str, type[Numbered]] = {
    "process/output": m.ProcessOutput,
    "process/exited": m.ProcessExited,
    "process/closed": m.ProcessClosed,
}
REMEMBERED_S = 80.0
"""How long an ended process can still be followed, as with a server."""
END_S = 15.0
"""A server takes some seconds to give up what can't be ended."""


class RemoteProcesses:
    """The processes of the client's session."""

    def __init__(self, client: ExecServerClient) -> None:
        self._client = client
        self._replicas: dict[str, ProcessReplica] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._write_ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        client.listeners.append(self._hear)
        client.on_resumed.append(self._catch_up_with_all)
        client.on_failed.append(self._fail_all)

    async def start(self, params: m.StartProcess) -> m.StartResult:
        """See `ProcessService`."""
        identifier = params.process_id
        if identifier in self._replicas and not self._replicas[identifier].is_over:
            raise invalid_request(f"process {identifier} already exists")
        # Before the request: events may come before its answer.
        before = self._replicas.get(identifier)
        self._replicas[identifier] = ProcessReplica(identifier)
        self._news[identifier] = asyncio.Event()
        resumed = 0

        def count() -> None:
            nonlocal resumed
            resumed += 1

        self._client.on_resumed.append(count)
        try:
            return await self._client.call("process/start", params, m.StartResult)
        except RpcError as error:
            if resumed and error.code == INVALID_REQUEST and "already exists" in error.message:
                return m.StartResult(process_id=identifier)  # the request was done, only its answer was lost
            self._forget(identifier, before)
            raise
        except ExecServerError:
            self._forget(identifier, before)
            raise
        finally:
            self._client.on_resumed.remove(count)

    async def events(self, process_id: str) -> AsyncIterator[ProcessEvent]:
        """See `ProcessService`."""
        replica = self._replicas.get(process_id)
        if replica is None:
            raise invalid_request(f"unknown process id {process_id}")
        news = self._news[process_id]
        while True:
            news.clear()
            while (event := replica.take()) is not None:
                yield event
            if replica.is_over:
                return
            await news.wait()

    async def read(self, params: m.ReadProcess) -> m.ReadResult:
        """See `ProcessService`. A process that can't be followed any more has its `failure` set."""
        try:
            return await self._client.call("process/read", params, m.ReadResult)
        except TransportError as error:
            after = params.after_seq or 0
            return m.ReadResult(chunks=[], next_seq=after + 1, exited=False, closed=True, failure=str(error))

    async def write(self, params: m.WriteProcess) -> m.WriteResult:
        """See `ProcessService`."""
        if params.write_id is None:
            params = params.model_copy(update={"write_id": f"shelltool-{next(self._write_ids)}"})
        return await self._client.call("process/write", params, m.WriteResult)

    async def close_stdin(self, params: m.CloseStdin) -> m.WriteResult:
        """See `ProcessService`."""
        return await self._client.call("process/closeStdin", params, m.WriteResult)

    async def resize(self, params: m.ResizeProcess) -> Nothing:
        """See `ProcessService`."""
        return await self._client.call("process/resize", params, Nothing)

    async def signal(self, params: m.SignalProcess) -> Nothing:
        """See `ProcessService`."""
        return await self._client.call("process/signal", params, Nothing)

    async def terminate(self, params: m.TerminateProcess) -> m.TerminateResult:
        """See `ProcessService`."""
        return await self._client.call("process/terminate", params, m.TerminateResult)

    async def list(self, params: m.ListProcesses) -> m.ProcessList:
        """See `ProcessService`."""
        return await self._client.call("process/list", params, m.ProcessList)

    async def close(self) -> None:
        """End every process that was started from here, and wait until it is gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                live = [replica for replica in self._replicas.values() if not replica.is_over]
                await asyncio.gather(*map(self._end, live))

    async def _end(self, replica: ProcessReplica) -> None:
        news = self._news[replica.process_id]
        with contextlib.suppress(TransportError, RpcError):
            await self.terminate(m.TerminateProcess(process_id=replica.process_id))
            while not replica.is_over:
                news.clear()
                await news.wait()

    async def _hear(self, method: str, params: object) -> None:
        kind = EVENTS.get(method)
        if kind is None:
            return
        try:
            event = kind.model_validate(params)
        except ValidationError:
            return
        replica = self._replicas.get(event.process_id)
        if replica:
            replica.accept(event)
            self._tell_news(replica)

    def _catch_up_with_all(self) -> None:
        for replica in self._replicas.values():
            if not replica.is_over:
                task = asyncio.create_task(self._catch_up(replica))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _catch_up(self, replica: ProcessReplica) -> None:
        """Ask for what was missed while there was no connection."""
        try:
            while not replica.is_over:
                after = replica.last_seq
                request = m.ReadProcess(process_id=replica.process_id, after_seq=after)
                result = await self._client.call("process/read", request, m.ReadResult)
                replica.catch_up(result)
                if not result.chunks or replica.last_seq == after:
                    replica.settle(result)
                    if not result.chunks:
                        break
        except RpcError as error:
            replica.fail(f"the server has lost the process: {error.message}")
        except TransportError as error:
            replica.fail(str(error))
        self._tell_news(replica)

    def _fail_all(self, error: TransportError) -> None:
        for replica in self._replicas.values():
            replica.fail(f"exec-server transport disconnected: {error}")
            self._tell_news(replica)

    def _tell_news(self, replica: ProcessReplica) -> None:
        if news := self._news.get(replica.process_id):
            news.set()
        if replica.is_over:
            asyncio.get_running_loop().call_later(REMEMBERED_S, self._forget_ended, replica)

    def _forget_ended(self, replica: ProcessReplica) -> None:
        if self._replicas.get(replica.process_id) is replica:
            self._forget(replica.process_id, None)

    def _forget(self, process_id: str, before: ProcessReplica | None) -> None:
        if before is None:
            self._replicas.pop(process_id, None)
            self._news.pop(process_id, None)
        else:
            self._replicas[process_id] = before
