"""One session: it owns processes, and has a connection or waits for one to resume it.

A session without a connection goes on, recording output, until its time to live is over; then all of its processes
are ended. Implements the `Outlet` of its processes.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from shelltool.exec_server import envelope
from shelltool.exec_server.errors import ALREADY_ATTACHED, ChannelClosedError, RpcError, invalid_request
from shelltool.exec_server.messages import Message
from shelltool.exec_server.outgoing import Outgoing
from shelltool.exec_server.processes.launching import Launcher, Prepared
from shelltool.exec_server.processes.process import Settings
from shelltool.exec_server.processes.service import LocalProcesses
from shelltool.exec_server.session_messages import Approval, ApproveExec

if TYPE_CHECKING:  # it brings the escalation library along, which most servers never use
    from shelltool.exec_server.processes.interception import Interception, Interceptor

PROBE_S = 2.0
"""How long a connection has to show that it is alive when another one wants its session."""

log = logging.getLogger(__name__)


class Attached(Protocol):
    """A connection, as a session sees it."""

    outgoing: Outgoing

    @property
    def peer(self) -> str:
        """What its client is called in the log."""

    async def is_alive(self, timeout_s: float) -> bool:
        """Tell whether its client still answers."""

    async def close(self) -> None:
        """End it."""

    async def approve(self, params: ApproveExec) -> Approval:
        """Ask the client. `ChannelClosedError`: it went away."""


class Session:
    """One session."""

    def __init__(
        self, launcher: Launcher, settings: Settings, interceptor: "Interceptor | None" = None
    ) -> None:
        self.id = str(uuid.uuid4())
        self._connection: Attached | None = None
        self._attached = asyncio.Event()
        self.processes = LocalProcesses(
            launcher=launcher,
            settings=settings,
            outlet=self,
            intercept=self._intercept if interceptor else None,
            session=_shown(self),
        )
        self._interceptor = interceptor
        self.expiry: asyncio.TimerHandle | None = None

    @property
    def connection(self) -> Attached | None:
        """The connection that it has now."""
        return self._connection

    @connection.setter
    def connection(self, connection: Attached | None) -> None:
        self._connection = connection
        if connection is None:
            self._attached.clear()
        else:
            self._attached.set()

    async def approve(self, question: ApproveExec) -> Approval:
        """Ask the client; where it is gone, wait for it to come back."""
        while True:
            await self._attached.wait()
            if self._connection is not None:
                try:
                    return await self._connection.approve(question)
                except ChannelClosedError:
                    await asyncio.sleep(0)

    async def _intercept(self, process_id: str, prepared: Prepared) -> "Interception":
        assert self._interceptor is not None  # noqa: S101 - for the type checker
        return await self._interceptor.begin(process_id, prepared, self.approve)

    @property
    def is_full(self) -> bool:
        """See `Outlet`."""
        return self.connection is not None and self.connection.outgoing.is_full

    def send(self, method: str, params: Message) -> None:
        """See `Outlet`."""
        if self.connection is not None:
            self.connection.outgoing.put(envelope.notification(method, params))

    def when_not_full(self, callback: Callable[[], None]) -> None:
        """See `Outlet`."""
        if self.connection is not None:
            self.connection.outgoing.when_not_full(callback)
        else:
            asyncio.get_running_loop().call_soon(callback)


class Sessions:
    """All sessions of a server."""

    def __init__(
        self,
        launcher: Launcher,
        settings: Settings,
        *,
        ttl_s: float,
        interceptor: "Interceptor | None" = None,
    ) -> None:
        """`interceptor`: has processes run under rules."""
        self._launcher = launcher
        self._interceptor = interceptor
        self._settings = settings
        self._ttl_s = ttl_s
        self._sessions: dict[str, Session] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def open(self, connection: Attached) -> Session:
        """Make a session and attach it."""
        session = Session(self._launcher, self._settings, self._interceptor)
        self._sessions[session.id] = session
        session.connection = connection
        log.info("session opened", extra={"session": _shown(session), "peer": connection.peer})
        return session

    async def resume(self, identifier: str, connection: Attached, *, take_over: bool) -> Session:
        """Attach a session that has no connection, one whose connection is dead, or any if told to take it over."""
        session = self._known(identifier)
        if session.connection is not None:
            await self._release(session, take_over=take_over)
            session = self._known(identifier)
        if session.expiry:
            session.expiry.cancel()
            session.expiry = None
        session.connection = connection
        log.info("session resumed", extra={"session": _shown(session), "peer": connection.peer})
        return session

    def detach(self, session: Session, connection: Attached) -> None:
        """Take a connection from its session, which then has its whole time to live again."""
        if session.connection is not connection:
            return
        session.connection = None
        if self._ttl_s <= 0:
            self._end(session)
        elif session.id in self._sessions:
            session.expiry = asyncio.get_running_loop().call_later(self._ttl_s, self._end, session)
            log.info("session detached", extra={"session": _shown(session), "ttl_s": self._ttl_s})

    async def close(self) -> None:
        """End every session and all of its processes."""
        for session in list(self._sessions.values()):
            self._end(session)
        while self._endings:
            await asyncio.wait(self._endings)

    def _known(self, identifier: str) -> Session:
        session = self._sessions.get(identifier)
        if session is None:
            raise invalid_request(f"unknown session id {identifier}")
        return session

    async def _release(self, session: Session, *, take_over: bool) -> None:
        old = session.connection
        if old is not None and not take_over and await old.is_alive(PROBE_S):
            raise RpcError(
                ALREADY_ATTACHED, f"session {session.id} is already attached to another connection"
            )
        if old is not None and session.connection is old:
            log.info("session taken over", extra={"session": _shown(session)})
            session.connection = None
            old.outgoing.close()
            await old.close()
        if session.connection is not None:
            raise RpcError(
                ALREADY_ATTACHED, f"session {session.id} is already attached to another connection"
            )

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        if session.expiry:
            session.expiry.cancel()
        log.info(
            "session ended", extra={"session": _shown(session), "processes": session.processes.live_count}
        )
        task = asyncio.get_running_loop().create_task(session.processes.close())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


def _shown(session: Session) -> str:
    """Give as much of the id as tells sessions apart: the whole of it is the key to the session."""
    return session.id[:8]
