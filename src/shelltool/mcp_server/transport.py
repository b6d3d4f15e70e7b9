"""MCP on stdin and stdout, one JSON message a line: private descriptors, bounded lines, and no call that blocks.

While it serves, fd 0 is the null device and fd 1 is stderr, so that a stray `print`, or a child, can't put a byte
into the stream. Takes the place of the SDK's own stdio transport, whose reader sits in a thread that no signal
wakes and whose lines have no limit. Gives the streams that the SDK's dispatcher reads and writes.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

LINE_BYTES = 16 << 20
"""Of one message; a command that the kernel can take is a hundredth of it."""
READ_BYTES = 256 << 10
EXCERPT_BYTES = 80
FLUSH_S = 1.0
"""For the last messages of a session; a client that has stopped reading gets no longer."""

Incoming = SessionMessage | Exception


class MalformedLineError(Exception):
    """A line that is no message; told to the client and otherwise without consequences."""


class LineSplitter:
    """Cuts what arrives into lines; one that is too long is dropped while it arrives. Sans I/O."""

    def __init__(self, limit_bytes: int = LINE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> Iterator[bytes | MalformedLineError]:
        """Take what has arrived and give the lines that it completes, without their ends."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            dropped = self._take(end)
            line, self._buffer = bytes(self._buffer), bytearray()
            self._dropping = False
            if dropped:
                yield MalformedLineError(f"a message is longer than {self._limit_bytes} bytes")
            elif line.strip():
                yield line
        self._take(rest)

    def _take(self, piece: bytes) -> bool:
        """Keep a piece of the current line, or nothing of it once it is too long; tell whether it is."""
        if self._dropping or len(self._buffer) + len(piece) > self._limit_bytes:
            self._dropping = True
            self._buffer.clear()
        else:
            self._buffer += piece
        return self._dropping


def parse_line(line: bytes) -> Incoming:
    """Read one message."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError:
        excerpt = line[:EXCERPT_BYTES].decode(errors="replace")
        return MalformedLineError(
            f"not a JSON-RPC message: {excerpt}{'…' if len(line) > EXCERPT_BYTES else ''}"
        )


def render_line(message: SessionMessage) -> bytes:
    """Write one message as a line."""
    return message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"


@contextmanager
def guarded_standard_streams() -> Iterator[tuple[int, int]]:
    """Take stdin and stdout away from everything else for as long as the block runs."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    was_blocking = os.get_blocking(sink)
    try:
        os.dup2(null, 0)
        os.dup2(2, 1)
        # A client that does not read must not hold up everything else.
        os.set_blocking(sink, False)
        yield source, sink
    finally:
        os.set_blocking(sink, was_blocking)
        os.dup2(source, 0)
        os.dup2(sink, 1)
        for fd in (null, source, sink):
            os.close(fd)


Streams = tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]


@asynccontextmanager
async def stdio_streams(source: int, sink: int) -> AsyncIterator[Streams]:
    """Give the streams of messages that come from one descriptor and go to another."""
    incoming_end, incoming = anyio.create_memory_object_stream[Incoming](0)
    outgoing, outgoing_end = anyio.create_memory_object_stream[SessionMessage](0)
    written = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read_messages, source, incoming_end)
        tasks.start_soon(_write_messages, sink, outgoing_end, written)
        try:
            yield incoming, outgoing
        finally:
            incoming.close()
            outgoing.close()
            with anyio.move_on_after(FLUSH_S, shield=True):
                await written.wait()
            tasks.cancel_scope.cancel()


async def _read_messages(source: int, received: MemoryObjectSendStream[Incoming]) -> None:
    lines = LineSplitter()
    async with received:
        while data := await _read(source):
            for line in lines.feed(data):
                try:
                    await received.send(line if isinstance(line, MalformedLineError) else parse_line(line))
                except anyio.BrokenResourceError:
                    return


async def _write_messages(
    sink: int, messages: MemoryObjectReceiveStream[SessionMessage], written: anyio.Event
) -> None:
    try:
        async with messages:
            async for message in messages:
                await _write(sink, render_line(message))
    except OSError:
        # Nobody reads any more; the end of stdin ends the session.
        return
    finally:
        written.set()


async def _read(fd: int) -> bytes:
    """Read what is there; b"" at the end, or when the client is gone."""
    loop = asyncio.get_running_loop()
    if not _is_always_ready(fd):
        await _ready(fd, loop.add_reader, loop.remove_reader)
    else:
        await asyncio.sleep(0)
    try:
        return os.read(fd, READ_BYTES)
    except OSError:
        return b""


async def _write(fd: int, data: bytes) -> None:
    loop = asyncio.get_running_loop()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await _ready(fd, loop.add_writer, loop.remove_writer)


def _is_always_ready(fd: int) -> bool:
    """Tell what the kernel can't be asked to wait for: files, and devices like the null device."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(fd))


async def _ready(
    fd: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], object]
) -> None:
    event = asyncio.Event()
    add(fd, event.set)
    try:
        await event.wait()
    finally:
        remove(fd)
