"""The two directions of a process's descriptors on the event loop: output that can be paused, input that is queued.

Both own their descriptor and close it. A terminal's end reads as EIO.
"""

import asyncio
import os
import termios
from collections import deque
from collections.abc import Callable

READ_BYTES = 8192
"""Chunks are no larger: clients have limits for the ones that they put back in order."""


class OutputStream:
    """Reads a descriptor until its end, unless it is paused."""

    def __init__(self, fd: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._on_data = on_data
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._is_reading = False

    @property
    def is_open(self) -> bool:
        """Whether there may be more."""
        return self._fd >= 0

    def resume(self) -> None:
        """Go on reading."""
        if self.is_open and not self._is_reading:
            self._is_reading = True
            self._loop.add_reader(self._fd, self.read_once)

    def pause(self) -> None:
        """Leave what comes in the pipe, so that its writer waits."""
        if self.is_open and self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def read_once(self) -> bool:
        """Read what is there, one chunk of it; tell whether there was some."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if data:
            self._on_data(data)
            return True
        self.close()
        self._on_end()
        return False

    def close(self) -> None:
        """Read no more."""
        self.pause()
        if self.is_open:
            os.close(self._fd)
            self._fd = -1


class InputStream:
    """Writes what is queued to a descriptor, and closes it behind that if asked to."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._queue: deque[memoryview] = deque()
        self._is_waiting = False
        self._ends = False
        self._room: asyncio.Event = asyncio.Event()
        self.queued_bytes = 0

    @property
    def is_open(self) -> bool:
        """Whether more may be queued."""
        return self._fd >= 0 and not self._ends

    def write(self, data: bytes) -> None:
        """Queue bytes, and write what can be written now."""
        if data and self.is_open:
            self._queue.append(memoryview(data))
            self.queued_bytes += len(data)
            self._flush()

    def end(self) -> None:
        """Close it when all that is queued has been written."""
        self._ends = True
        self._flush()

    async def room(self, limit: int) -> None:
        """Wait until no more than this is queued, or nothing is written any more."""
        while self.queued_bytes > limit and self._fd >= 0:
            self._room.clear()
            await self._room.wait()

    def set_terminal_size(self, rows: int, columns: int) -> None:
        """Set the size of the terminal that it is."""
        if self._fd >= 0:
            termios.tcsetwinsize(self._fd, (rows, columns))

    def close(self) -> None:
        """Forget what is queued."""
        self._wait_for_room(waiting=False)
        self._queue.clear()
        self.queued_bytes = 0
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        self._room.set()

    def _flush(self) -> None:
        while self._queue and self._fd >= 0:
            try:
                written = os.write(self._fd, self._queue[0])
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # nobody reads it any more
                self.close()
                return
            self.queued_bytes -= written
            rest = self._queue.popleft()[written:]
            if rest:
                self._queue.appendleft(rest)
        self._room.set()
        if self._ends and not self._queue:
            self.close()
        elif self._fd >= 0:
            self._wait_for_room(waiting=bool(self._queue))

    def _wait_for_room(self, *, waiting: bool) -> None:
        if waiting and not self._is_waiting:
            self._loop.add_writer(self._fd, self._flush)
        elif self._is_waiting and not waiting:
            self._loop.remove_writer(self._fd)
        self._is_waiting = waiting
