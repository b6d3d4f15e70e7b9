"""One connection of the server: reads messages, has requests handled at the same time, sends answers.

Requests don't wait for each other, but for those that their row in the table queues behind others. What belongs to the
connection (file handles, streams, open questions to the client) ends with it; processes belong to its session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from pydantic import ValidationError

from shelltool.errors import ShellToolError
from shelltool.exec_server import envelope
from shelltool.exec_server.channel import Channel
from shelltool.exec_server.envelope import MalformedError, Notice, Reply, Request, RequestId
from shelltool.exec_server.errors import (
    METHOD_NOT_FOUND,
    ChannelClosedError,
    ProtocolViolationError,
    RpcError,
    internal,
    invalid_request,
)
from shelltool.exec_server.handshake import Handshake
from shelltool.exec_server.local_environment import LocalEnvironment, LocalMachine, describe_machine
from shelltool.exec_server.messages import Message
from shelltool.exec_server.methods import Method
from shelltool.exec_server.outgoing import Outgoing
from shelltool.exec_server.session import Session, Sessions
from shelltool.exec_server.session_messages import Approval, ApproveExec, Initialize, Initialized
from shelltool.exec_server.table import APPROVE, METHODS

REQUESTS_AT_ONCE = 1024
"""More are refused; each waits for a process, a file or the network."""
UNCANCELLED = ("processes",)
"""What a session's processes were asked is done to its end, for the client may come back and ask what became of it."""

log = logging.getLogger(__name__)


class Connection:
    """One client's."""

    def __init__(
        self,
        channel: Channel,
        sessions: Sessions,
        machine: LocalMachine,
        *,
        requests_at_once: int = REQUESTS_AT_ONCE,
    ) -> None:
        self.outgoing = Outgoing(channel)
        self.client = Initialize(client_name="")
        self._channel = channel
        self._sessions = sessions
        self._machine = machine
        self._requests_at_once = requests_at_once
        self._handshake = Handshake()
        self._session: Session | None = None
        self._environment: LocalEnvironment | None = None
        self._tasks: dict[asyncio.Task[None], Method] = {}
        self._last_of: dict[Hashable, asyncio.Task[None]] = {}
        self._questions: dict[RequestId, asyncio.Future[Reply]] = {}
        self._asked = 0

    async def run(self) -> None:
        """Serve until the connection ends."""
        sending = asyncio.create_task(self.outgoing.run())
        try:
            # Once another connection has taken the session over, what still comes here is nobody's.
            while (data := await self._channel.receive()) is not None and not self.outgoing.is_closed:
                await self._take(data)
        except ProtocolViolationError as error:
            log.warning("protocol violation", extra={"peer": self._channel.name, "problem": str(error)})
        finally:
            sending.cancel()
            await self._end()

    @property
    def peer(self) -> str:
        """See `session.Attached`."""
        return self._channel.name

    async def is_alive(self, timeout_s: float) -> bool:
        """See `session.Attached`."""
        return await self._channel.is_alive(timeout_s)

    async def close(self) -> None:
        """See `session.Attached`."""
        await self._channel.close()

    async def approve(self, params: ApproveExec) -> Approval:
        """Ask the client whether a command may run."""
        if not self.client.capabilities.exec_approve:
            return Approval(
                accepted=False, reason="it needs a person's approval, and the client can't be asked"
            )
        reply = await self._ask(APPROVE, params)
        try:
            return Approval.model_validate(reply.result if reply.error is None else {"accepted": False})
        except ValidationError:
            return Approval(accepted=False, reason="the client's answer was no answer")

    async def _ask(self, method: Method, params: Message) -> Reply:
        if self.outgoing.is_closed:
            raise ChannelClosedError("the client is gone")
        self._asked += 1
        identifier = f"server-{self._asked}"
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions[identifier] = reply
        try:
            self.outgoing.put(envelope.request(identifier, method.name, params))
            return await reply
        finally:
            self._questions.pop(identifier, None)

    async def _take(self, data: bytes | str) -> None:
        try:
            message = envelope.parse(data)
        except MalformedError as error:
            log.info("malformed message", extra={"peer": self._channel.name})
            self.outgoing.put(envelope.malformed_response(error, self._channel.name))
            return
        match message:
            case Request():
                await self._requested(message)
            case Notice():
                self._handshake.notified(message.method)
            case Reply():
                self._answered(message)

    def _answered(self, reply: Reply) -> None:
        question = self._questions.get(reply.id)
        if question is None:
            raise ProtocolViolationError("a response to nothing")
        if not question.done():
            question.set_result(reply)

    async def _requested(self, request: Request) -> None:
        try:
            method = _method(request.method)
            params = method.read_params(request.params)
            if isinstance(params, Initialize):
                self.outgoing.put(envelope.response(request.id, await self._initialize(params)))
                return
            self._handshake.check_ready(method.family)
            self._check_room()
        except RpcError as error:
            self.outgoing.put(envelope.error_response(request.id, error))
            return
        self._begin(request.id, method, params)

    def _check_room(self) -> None:
        if len(self._tasks) >= self._requests_at_once:
            raise invalid_request(f"more than {self._requests_at_once} requests at once")

    async def _initialize(self, params: Initialize) -> Initialized:
        self._handshake.check_may_initialize()
        if params.resume_session_id is None:
            session = self._sessions.open(self)
        else:
            session = await self._sessions.resume(params.resume_session_id, self, take_over=params.take_over)
        self._session = session
        self.client = params
        self._environment = LocalEnvironment(self._machine, session.processes, self._notify)
        self._handshake.initialize_succeeded()
        return Initialized(
            session_id=session.id, environment_info=describe_machine(approves=self._machine.approves)
        )

    def _begin(self, identifier: RequestId, method: Method, params: Message) -> None:
        log.debug("request", extra={"peer": self._channel.name, "method": method.name})
        queue = method.queue_of(params)
        before = self._last_of.get(queue) if queue is not None else None
        task = asyncio.create_task(self._handle(identifier, method, params, before))
        self._tasks[task] = method
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if queue is not None:
            self._last_of[queue] = task
            task.add_done_callback(lambda done: self._leave(queue, done))

    def _leave(self, queue: Hashable, task: asyncio.Task[None]) -> None:
        if self._last_of.get(queue) is task:
            del self._last_of[queue]

    async def _handle(
        self, identifier: RequestId, method: Method, params: Message, before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            result = await self._function(method)(params)
            # Without a wait, for most: nothing that the handler caused is sent before its answer.
            answer = (
                await asyncio.to_thread(envelope.response, identifier, result)
                if result.is_large
                else envelope.response(identifier, result)
            )
        except RpcError as error:
            self.outgoing.put(envelope.error_response(identifier, error))
        except ShellToolError as error:
            self.outgoing.put(envelope.error_response(identifier, internal(str(error))))
        except Exception:
            # The one place where a fault of ours becomes an answer; without one the client would wait forever.
            log.exception("request failed", extra={"peer": self._channel.name, "method": method.name})
            self.outgoing.put(envelope.error_response(identifier, internal("the server failed; see its log")))
        else:
            self.outgoing.put(answer)

    def _function(self, method: Method) -> Callable[[Message], Awaitable[Message]]:
        environment: Any = self._environment
        service = environment if method.service == "environment" else getattr(environment, method.service)
        function: Callable[[Message], Awaitable[Message]] = getattr(service, method.function)
        return function

    async def _notify(self, method: str, params: Message) -> None:
        await self.outgoing.room()
        self.outgoing.put(envelope.notification(method, params))

    async def _end(self) -> None:
        if self._session is not None:
            self._sessions.detach(self._session, self)
        self.outgoing.close()
        for question in self._questions.values():
            if not question.done():
                question.set_exception(ChannelClosedError("the client is gone"))
        ended = [task for task, method in self._tasks.items() if not _goes_on(method)]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        if self._environment is not None:
            await self._environment.close_connection()
        await self._channel.close()


def _method(name: str) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"there is no method `{name[:100]}`")
    return method


def _goes_on(method: Method) -> bool:
    return method.service in UNCANCELLED and method.name != "process/read"
