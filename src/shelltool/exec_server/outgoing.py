"""What waits to be sent on one connection: in order, and bounded for those who can wait.

Answers are always taken, for there are no more of them than requests. Notifications stop while it is full: that is how
a slow client makes its processes wait.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from shelltool.exec_server.channel import Channel
from shelltool.exec_server.errors import ChannelClosedError

FULL_BYTES = 1 << 20


class Outgoing:
    """A queue of messages and the task that sends them."""

    def __init__(self, channel: Channel, *, full_bytes: int = FULL_BYTES) -> None:
        self._channel = channel
        self._full_bytes = full_bytes
        self._messages: deque[bytes] = deque()
        self._callbacks: list[Callable[[], None]] = []
        self._arrived = asyncio.Event()
        self._queued_bytes = 0
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether those who can wait should."""
        return not self.is_closed and self._queued_bytes >= self._full_bytes

    def put(self, message: bytes) -> None:
        """Queue a message."""
        if not self.is_closed:
            self._messages.append(message)
            self._queued_bytes += len(message)
            self._arrived.set()

    def when_not_full(self, callback: Callable[[], None]) -> None:
        """Call back once there is room."""
        self._callbacks.append(callback)
        self._tell()

    async def room(self) -> None:
        """Wait until there is room."""
        if not self.is_full:
            return
        there_is = asyncio.get_running_loop().create_future()
        self.when_not_full(lambda: None if there_is.done() else there_is.set_result(None))
        await there_is

    async def run(self) -> None:
        """Send what is queued until the channel closes."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._messages:
                    message = self._messages.popleft()
                    size = len(message)
                    await self._channel.send(message)
                    del message
                    self._queued_bytes -= size
                    self._tell()
        except ChannelClosedError:
            return
        finally:
            self.close()

    def close(self) -> None:
        """Send nothing more, and let nobody wait."""
        self.is_closed = True
        self._messages.clear()
        self._queued_bytes = 0
        self._tell()

    def _tell(self) -> None:
        if self._callbacks and self._queued_bytes * 2 <= self._full_bytes:
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                # Not from within whoever asked: it may not be done asking.
                asyncio.get_running_loop().call_soon(callback)
