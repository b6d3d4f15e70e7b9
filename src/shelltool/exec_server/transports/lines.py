"""Messages as lines of text on two descriptors: stdio on the server's side, pipes of a child on the client's.

Lines are cut by `LineSplitter`, which is free of I/O and bounded. Blank lines are nothing.
"""

import asyncio
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shelltool.exec_server.errors import ChannelClosedError

READ_BYTES = 256 << 10
TOO_LONG = b"\0"
"""Stands for a line over the limit: no message, as the answer to it will say."""


class LineSplitter:
    """Cuts what arrives into lines; one that is too long is dropped while it arrives."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what has arrived and give the lines that it completes, without their ends."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._take(end)
            line, dropped = bytes(self._buffer), self._dropping
            self._buffer.clear()
            self._dropping = False
            if dropped:
                yield TOO_LONG
            elif line.strip():
                yield line
        self._take(rest)

    def _take(self, piece: bytes) -> None:
        if self._dropping or len(self._buffer) + len(piece) > self._limit_bytes:
            self._dropping = True
            self._buffer.clear()
        else:
            self._buffer += piece


class LineChannel:
    """Reads from one descriptor and writes to another. Owns both."""

    def __init__(self, source: int, sink: int, *, name: str, line_bytes: int) -> None:
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        self.name = name
        self._source = source
        self._sink = sink
        self._splitter = LineSplitter(line_bytes)
        self._lines: deque[bytes] = deque()
        self._closed = asyncio.Event()

    async def receive(self) -> bytes | str | None:
        """See `Channel`."""
        while not self._lines and not self._closed.is_set():
            data = await self._read()
            if not data:
                return None
            self._lines.extend(self._splitter.feed(data))
        return None if self._closed.is_set() else self._lines.popleft()

    async def send(self, data: bytes) -> None:
        """See `Channel`."""
        loop = asyncio.get_running_loop()
        view = memoryview(data + b"\n")
        while view:
            if self._closed.is_set():
                raise ChannelClosedError(f"{self.name} is closed")
            try:
                view = view[os.write(self._sink, view) :]
            except BlockingIOError:
                await self._ready(self._sink, loop.add_writer, loop.remove_writer)
            except OSError as error:
                await self.close()
                raise ChannelClosedError(f"{self.name}: {error.strerror}") from error

    async def close(self) -> None:
        """See `Channel`."""
        if self._closed.is_set():
            return
        self._closed.set()
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._source)
        loop.remove_writer(self._sink)
        for fd in {self._source, self._sink}:
            os.close(fd)

    async def is_alive(self, timeout_s: float) -> bool:  # noqa: ARG002 - it is known at once
        """See `Channel`."""
        return not self._closed.is_set()

    async def _read(self) -> bytes:
        loop = asyncio.get_running_loop()
        while not self._closed.is_set():
            if not _is_always_ready(self._source):
                await self._ready(self._source, loop.add_reader, loop.remove_reader)
            if self._closed.is_set():
                break
            try:
                return os.read(self._source, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                break
        return b""

    async def _ready(
        self, fd: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], object]
    ) -> None:
        ready = asyncio.get_running_loop().create_future()
        closing = asyncio.ensure_future(self._closed.wait())
        add(fd, lambda: None if ready.done() else ready.set_result(None))
        try:
            await asyncio.wait({ready, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            if not self._closed.is_set():
                remove(fd)


@contextmanager
def guarded_standard_streams() -> Iterator[tuple[int, int]]:
    """Take stdin and stdout away from everything else; gives private descriptors, which their user closes."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.dup2(null, 0)
        os.dup2(2, 1)
        yield source, sink
    finally:
        os.close(null)


def _is_always_ready(fd: int) -> bool:
    """Tell what the kernel can't be asked to wait for: files, and devices like the null device."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd))
