"""A channel in memory: two ends in one process, for tests and for callers that want the wire without one."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self

from shelltool.exec_server.errors import ChannelClosedError

WAITING_MESSAGES = 16
"""Of one direction; then the sender waits, as it would for a network."""

_Queue = asyncio.Queue[bytes | str]


class MemoryChannel:
    """One end."""

    def __init__(self, incoming: _Queue, outgoing: _Queue, closed: asyncio.Event) -> None:
        self.name = "memory"
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = closed

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Make both ends."""
        one: _Queue = asyncio.Queue(WAITING_MESSAGES)
        other: _Queue = asyncio.Queue(WAITING_MESSAGES)
        closed = asyncio.Event()
        return cls(one, other, closed), cls(other, one, closed)

    async def receive(self) -> bytes | str | None:
        """See `Channel`."""
        if not self._incoming.empty():
            return None if self._closed.is_set() else self._incoming.get_nowait()
        taken: list[bytes | str] = []
        await self._unless_closed(self._take(taken))
        return taken[0] if taken and not self._closed.is_set() else None

    async def send(self, data: bytes | str) -> None:
        """See `Channel`."""
        if not self._closed.is_set():
            await self._unless_closed(self._outgoing.put(data))
        if self._closed.is_set():
            raise ChannelClosedError("the other end is closed")

    async def close(self) -> None:
        """See `Channel`."""
        self._closed.set()

    async def is_alive(self, timeout_s: float) -> bool:  # noqa: ARG002 - it is known at once
        """See `Channel`."""
        return not self._closed.is_set()

    async def _take(self, taken: list[bytes | str]) -> None:
        taken.append(await self._incoming.get())

    async def _unless_closed(self, coroutine: Coroutine[Any, Any, None]) -> None:
        tasks = {asyncio.ensure_future(coroutine), asyncio.ensure_future(self._closed.wait())}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
