"""`ExecServerClient`: requests to an exec server over a connection that it makes again when it is lost.

Works with every released server: paths go out as the oldest ones want them where the server is one of those, and the
order of what comes is never relied on.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from pydantic import ValidationError

from shelltool.exec_server import envelope
from shelltool.exec_server.channel import Channel
from shelltool.exec_server.client.connectors import Connector
from shelltool.exec_server.client.recovery import REPEATABLE, RETRY_S, TransportError, is_retryable
from shelltool.exec_server.envelope import MalformedError, Notice, Reply, Request, RequestId
from shelltool.exec_server.errors import METHOD_NOT_FOUND, ChannelClosedError, RpcError
from shelltool.exec_server.messages import Message, Nothing
from shelltool.exec_server.methods import problems_of
from shelltool.exec_server.session_messages import (
    Approval,
    ApproveExec,
    ClientCapabilities,
    Initialize,
    Initialized,
)
from shelltool.exec_server.transports.websocket import Limits

INITIALIZE_S = 10.0
REQUEST_BYTES = Limits().message_bytes
"""A server that gets more closes the connection, and would do so again and again."""
RECOVERY_S = 25.0
"""Less than the time to live of a session with any server but the oldest."""

_R = TypeVar("_R", bound=Message)
Approver = Callable[[ApproveExec], Awaitable[Approval]]
Listener = Callable[[str, object], Awaitable[None]]
"""Gets every notification: its method, and its params as they came."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    method: str
    data: bytes
    reply: asyncio.Future[Reply]


class ExecServerClient:
    """One session with one server. Use it as an asynchronous context."""

    def __init__(
        self,
        connector: Connector,
        *,
        name: str = "shelltool",
        approve: Approver | None = None,
        recovery_s: float = RECOVERY_S,
    ) -> None:
        """`approve`: answers whether a command may run, for servers that ask."""
        self._connector = connector
        self._name = name
        self._approve = approve
        self._recovery_s = recovery_s
        self._ids = itertools.count(1)
        self._pending: dict[RequestId, _Pending] = {}
        self._channel: Channel | None = None
        self._sending = asyncio.Lock()
        self._is_up = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._failure: TransportError | None = None
        self.session: Initialized | None = None
        self.listeners: list[Listener] = []
        self.on_resumed: list[Callable[[], None]] = []
        self.on_failed: list[Callable[[TransportError], None]] = []

    @property
    def native_paths(self) -> bool:
        """Whether the server is one of the oldest, which say nothing of their environment."""
        return self.session is not None and self.session.environment_info is None

    async def __aenter__(self) -> Self:
        await self._connect()
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(self._stopped)
        return self

    async def __aexit__(self, *_: object) -> None:
        ended = {*self._answers, *([self._running] if self._running else [])}
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        if self._channel:
            await self._channel.close()

    async def call(self, method: str, params: Message, result: type[_R]) -> _R:
        """Send a request and give its result. `RpcError`: the server refused; `TransportError`: it can't be reached."""
        reply = await self._reply_to(method, params)
        if reply.error is not None:
            raise reply.error
        try:
            return result.model_validate(reply.result)
        except ValidationError as error:
            raise TransportError(f"{method}: the answer makes no sense: {problems_of(error)}") from error

    async def drop_connection(self) -> None:
        """Cut the connection, as a network might; the client will come back."""
        if self._channel:
            await self._channel.close()

    async def _reply_to(self, method: str, params: Message) -> Reply:
        await self._is_up.wait()
        if self._failure:
            raise self._failure
        identifier = next(self._ids)
        data = envelope.request(identifier, method, params, native_paths=self.native_paths)
        if len(data) > REQUEST_BYTES:
            raise TransportError(f"{method}: the request has {len(data)} bytes, more than {REQUEST_BYTES}")
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._pending[identifier] = _Pending(method, data, reply)
        try:
            await self._send(data)
            return await reply
        finally:
            self._pending.pop(identifier, None)

    async def _send(self, data: bytes) -> None:
        async with self._sending:
            try:
                if self._channel:
                    await self._channel.send(data)
            except ChannelClosedError:
                # Whoever reads notices, too, and decides what becomes of the request.
                return

    async def _run(self) -> None:
        while True:
            await self._read_to_the_end()
            self._is_up.clear()
            self._drop_what_cannot_be_repeated()
            try:
                await self._come_back()
            except TransportError as error:
                self._fail(error)
                return
            for pending in list(self._pending.values()):
                await self._send(pending.data)
            for resumed in self.on_resumed:
                resumed()

    async def _read_to_the_end(self) -> None:
        assert self._channel is not None  # noqa: S101 - for the type checker: there is one while it runs
        while (data := await self._channel.receive()) is not None:
            await self._take(data)

    async def _take(self, data: bytes | str) -> None:
        try:
            message = envelope.parse(data)
        except MalformedError as error:
            log.warning("malformed message", extra={"problem": str(error)})
            return
        match message:
            case Reply():
                pending = self._pending.get(message.id)
                if pending and not pending.reply.done():
                    pending.reply.set_result(message)
            case Notice():
                for listener in self.listeners:
                    await listener(message.method, message.params)
            case Request():
                task = asyncio.create_task(self._answer(message))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    async def _answer(self, request: Request) -> None:
        if request.method != "exec/approve" or self._approve is None:
            error = RpcError(METHOD_NOT_FOUND, f"there is no method `{request.method[:100]}`")
            await self._send(envelope.error_response(request.id, error))
            return
        try:
            answer = await self._approve(ApproveExec.model_validate(request.params))
        except ValidationError:
            answer = Approval(accepted=False, reason="the question makes no sense")
        except Exception:
            # Whatever it is that our caller raises: a command waits for an answer.
            log.exception("a question could not be answered")
            answer = Approval(accepted=False, reason="the client failed to ask")
        await self._send(envelope.response(request.id, answer))

    async def _connect(self) -> None:
        """Make a connection and open a session, or go on with the one there is."""
        channel = await self._connector.connect()
        try:
            async with asyncio.timeout(INITIALIZE_S):
                session = await self._initialize(channel)
        except (TimeoutError, ChannelClosedError) as error:
            await channel.close()
            raise ChannelClosedError(f"{channel.name}: no answer to initialize: {error}") from error
        except BaseException:
            await channel.close()
            raise
        self.session, self._channel = session, channel
        self._is_up.set()

    async def _initialize(self, channel: Channel) -> Initialized:
        identifier = next(self._ids)
        params = Initialize(
            client_name=self._name,
            resume_session_id=self.session.session_id if self.session else None,
            take_over=self.session is not None,
            capabilities=ClientCapabilities(exec_approve=self._approve is not None),
        )
        await channel.send(envelope.request(identifier, "initialize", params))
        while (data := await channel.receive()) is not None:
            message = envelope.parse(data)
            if isinstance(message, Reply) and message.id == identifier:
                if message.error:
                    raise message.error
                session = _session_of(message)
                await channel.send(envelope.notification("initialized", Nothing()))
                return session
            await self._take(data)
        raise ChannelClosedError("the connection ended")

    async def _come_back(self) -> None:
        """Resume the session; a `TransportError` when that does not succeed in time."""
        if self._channel:
            await self._channel.close()
        if not self._connector.can_return:
            raise TransportError("the server has ended")
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._recovery_s
        while True:
            try:
                return await self._connect()
            except (ChannelClosedError, MalformedError, RpcError) as error:
                if not is_retryable(error) or clock() > deadline:
                    raise TransportError(f"the session is lost: {error}") from error
            await asyncio.sleep(RETRY_S)

    def _drop_what_cannot_be_repeated(self) -> None:
        for pending in self._pending.values():
            if pending.method not in REPEATABLE and not pending.reply.done():
                text = f"{pending.method}: the connection was lost; nobody knows whether it was done"
                pending.reply.set_exception(TransportError(text))

    def _stopped(self, running: asyncio.Task[None]) -> None:
        """Leave nobody waiting, whatever it is that has ended the reading."""
        error = None if running.cancelled() else running.exception()
        self._fail(TransportError(f"the client has failed: {error!r}" if error else "the client is closed"))

    def _fail(self, error: TransportError) -> None:
        if self._failure:
            return
        self._failure = error
        self._is_up.set()
        for pending in self._pending.values():
            if not pending.reply.done():
                pending.reply.set_exception(error)
        for failed in self.on_failed:
            failed(error)


def _session_of(reply: Reply) -> Initialized:
    try:
        return Initialized.model_validate(reply.result)
    except ValidationError as error:
        raise TransportError(f"initialize: the answer makes no sense: {problems_of(error)}") from error
