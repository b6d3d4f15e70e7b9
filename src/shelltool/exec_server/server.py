"""The server: its sessions, what they share, and the loops that take connections from WebSocket and from stdio."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import ServerConnection, serve

from shelltool.errors import ServerError
from shelltool.exec_server.access import Address, Gate, check_exposure
from shelltool.exec_server.channel import Channel
from shelltool.exec_server.connection import REQUESTS_AT_ONCE, Connection
from shelltool.exec_server.files.helper_pool import Helpers
from shelltool.exec_server.files.workers import FileWorkers
from shelltool.exec_server.local_environment import LocalMachine
from shelltool.exec_server.processes.launching import Launcher
from shelltool.exec_server.processes.process import Settings as ProcessSettings
from shelltool.exec_server.processes.supervising import (
    SupervisorProgram,
    find_supervisor,
    raise_files_limit,
)
from shelltool.exec_server.session import Sessions
from shelltool.exec_server.transports.lines import LineChannel
from shelltool.exec_server.transports.websocket import CLOSE_S, QUEUED_FRAMES, Limits, WebSocketChannel

if TYPE_CHECKING:  # see session.py
    from shelltool.exec_server.processes.interception import Interceptor

BACKLOG = 512
CONNECTIONS_MAX = 1024
OPEN_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What can be chosen. The defaults are the reference server's."""

    limits: Limits = field(default_factory=Limits)
    requests_at_once: int = REQUESTS_AT_ONCE
    session_ttl_s: float = 80.0
    retention_s: float = 80.0
    retained_bytes: int = 1 << 20
    token_digest: bytes | None = None
    launcher: Launcher = field(default_factory=Launcher)
    supervisor: SupervisorProgram | None = None
    """None: the one that came with us."""
    interceptor: "Interceptor | None" = None
    """None: processes run without rules."""


class ExecServer:
    """One server. Use it as an asynchronous context: leaving it ends every process."""

    def __init__(self, settings: ServerSettings | None = None) -> None:
        self.settings = settings or ServerSettings()
        processes = ProcessSettings(
            supervisor=self.settings.supervisor or find_supervisor(),
            files_limit=raise_files_limit(),
            retained_bytes=self.settings.retained_bytes,
            retention_s=self.settings.retention_s,
        )
        launcher = self.settings.launcher
        interceptor = self.settings.interceptor
        self.sessions = Sessions(
            replace(launcher, interceptor=interceptor),
            processes,
            ttl_s=self.settings.session_ttl_s,
            interceptor=interceptor,
        )
        helpers = Helpers(tmpdir=launcher.environment.get("TMPDIR"), shielded=launcher.shielded)
        self._machine = LocalMachine(workers=FileWorkers(helpers), approves=interceptor is not None)
        self._connections = 0
        self._channels: set[WebSocketChannel] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every session and its processes, and what they shared."""
        await self.sessions.close()
        await self._machine.close()

    async def serve_channel(self, channel: Channel) -> None:
        """Serve one connection until it ends."""
        self._connections += 1
        log.info("connection opened", extra={"peer": channel.name, "connections": self._connections})
        try:
            requests = self.settings.requests_at_once
            await Connection(channel, self.sessions, self._machine, requests_at_once=requests).run()
        except Exception:
            log.exception("connection failed", extra={"peer": channel.name})
            raise
        finally:
            self._connections -= 1
            log.info("connection closed", extra={"peer": channel.name, "connections": self._connections})

    async def serve_lines(self, source: int, sink: int) -> None:
        """Serve one connection on two descriptors."""
        limit = self.settings.limits.message_bytes
        await self.serve_channel(LineChannel(source, sink, name="stdio", line_bytes=limit))

    @asynccontextmanager
    async def listening(self, address: Address) -> AsyncIterator[str]:
        """Take WebSocket connections while the block runs; gives the URL."""
        check_exposure(address, self.settings.token_digest)
        limits = self.settings.limits
        try:
            server = await serve(
                self._serve_websocket,
                address.host,
                address.port,
                process_request=Gate(self.settings.token_digest),
                compression=None,
                open_timeout=OPEN_S,
                ping_interval=None,
                close_timeout=CLOSE_S,
                max_size=(limits.message_bytes, limits.frame_bytes),
                max_queue=QUEUED_FRAMES,
                server_header=None,
                backlog=BACKLOG,
                logger=_quiet_logger(),
            )
        except OSError as error:
            raise ServerError(f"--listen {address.url(address.port)}: {error.strerror or error}") from error
        async with server:
            try:
                yield address.url(next(iter(server.sockets)).getsockname()[1])
            finally:
                await asyncio.gather(*(channel.close() for channel in self._channels))

    async def _serve_websocket(self, connection: ServerConnection) -> None:
        if self._connections >= CONNECTIONS_MAX:
            await connection.close(1013, "too many connections")
            return
        channel = WebSocketChannel(connection, self.settings.limits)
        self._channels.add(channel)
        try:
            await self.serve_channel(channel)
        finally:
            self._channels.discard(channel)


def _quiet_logger() -> logging.Logger:
    """The library logs every failed handshake with a stack trace."""
    logger = logging.getLogger("websockets.server")
    logger.setLevel(logging.CRITICAL)
    return logger
