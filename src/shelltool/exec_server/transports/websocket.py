"""Messages over WebSocket: one message is one text message. Both sides use the same channel.

Owns limits, liveness, and that nothing is compressed (an old server drops who offers it). Who may connect is in
`access`. A connection is taken for dead when a ping is not answered and nothing has moved since: a client that is only
slow still moves.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from shelltool.exec_server.errors import ChannelClosedError

CONNECT_S = 10.0
CLOSE_S = 1.0
ANSWER_BYTES = 1 << 30
"""Of one message of a server; a file of 512 MiB comes as one."""
QUEUED_FRAMES = 4
"""Frames of the largest size would take memory otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one connection. The defaults are the reference server's."""

    frame_bytes: int = 16 << 20
    message_bytes: int = 64 << 20
    ping_s: float = 30.0
    """Between two pings, and how long one may stay unanswered while nothing moves."""


def peer_name(connection: Connection) -> str:
    """Say who is at the other end, for the log."""
    address = connection.remote_address
    return f"websocket {address[0]}:{address[1]}" if address else "websocket"


class WebSocketChannel:
    """One connection, of a server or of a client."""

    def __init__(self, connection: Connection, limits: Limits, *, fragment_bytes: int | None = None) -> None:
        """`fragment_bytes`: what is longer goes out in several frames; None: never."""
        self._connection = connection
        self._limits = limits
        self._fragment_bytes = fragment_bytes
        self._moved = 0
        self._keeping = asyncio.create_task(self._keep_alive())
        without_delay(connection)

    @property
    def name(self) -> str:
        """See `Channel`."""
        return peer_name(self._connection)

    async def receive(self) -> bytes | str | None:
        """See `Channel`."""
        try:
            data = await self._connection.recv(decode=False)
        except ConnectionClosed:
            return None
        self._moved += 1
        return data

    async def send(self, data: bytes) -> None:
        """See `Channel`."""
        try:
            self._check_open()
            await self._connection.send(self._fragments(data), text=True)
        except ConnectionClosed as error:
            raise ChannelClosedError(f"{self.name} is closed") from error
        self._moved += 1

    async def close(self) -> None:
        """See `Channel`."""
        self._keeping.cancel()
        with suppress(ChannelClosedError):
            self._check_open()
            try:
                async with asyncio.timeout(2 * CLOSE_S):
                    await self._connection.close()
            except TimeoutError:
                # The library waits for as long as the other side reads nothing.
                self._connection.transport.abort()

    async def is_alive(self, timeout_s: float) -> bool:
        """See `Channel`."""
        try:
            self._check_open()
            async with asyncio.timeout(timeout_s):
                await (await self._connection.ping())
        except (TimeoutError, ConnectionClosed, ChannelClosedError):
            return False
        return True

    def _check_open(self) -> None:
        """Keep the library from a transport that is closed already, where asyncio itself fails."""
        if self._connection.transport.is_closing():
            raise ChannelClosedError(f"{self.name} is closed")

    def _fragments(self, data: bytes) -> bytes | list[memoryview]:
        size = self._fragment_bytes
        if size is None or len(data) <= size:
            return data
        view = memoryview(data)
        return [view[start : start + size] for start in range(0, len(data), size)]

    async def _keep_alive(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._limits.ping_s)
                before = self._movement()
                if await self.is_alive(self._limits.ping_s) or self._movement() != before:
                    continue
                if not self._connection.transport.is_closing():
                    # Nobody will answer a closing handshake either.
                    self._connection.transport.abort()
                return

    def _movement(self) -> tuple[int, int]:
        return self._moved, self._connection.transport.get_write_buffer_size()


async def connect_websocket(
    url: str, *, token: str | None = None, limits: Limits | None = None
) -> WebSocketChannel:
    """Connect to a server; a `ChannelClosedError` says why not."""
    limits = limits or Limits()
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        connection = await connect(
            url,
            compression=None,
            additional_headers=headers,
            proxy=None,
            open_timeout=CONNECT_S,
            ping_interval=None,
            close_timeout=CLOSE_S,
            max_size=ANSWER_BYTES,
            max_queue=QUEUED_FRAMES,
        )
    except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
        raise ChannelClosedError(f"{url}: can't connect: {error}") from error
    return WebSocketChannel(connection, limits, fragment_bytes=limits.frame_bytes)


def without_delay(connection: Connection) -> None:
    """Have small messages sent at once; waiting for more costs 40 ms with many peers."""
    found = connection.transport.get_extra_info("socket")
    if found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
