"""Messages as lines: cut however they arrive, bounded, and sent whole although the other side is slow."""

import asyncio
import contextlib
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.transports.lines import TOO_LONG, LineChannel, LineSplitter

PATIENCE_S = 20.0
LINES = st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"_")), max_size=8)


def fed(splitter, data, cuts=()):
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    return [line for piece in pieces for line in splitter.feed(piece)]


@given(LINES, st.lists(st.integers(0, 100), max_size=10))
def test_lines_are_the_same_however_they_arrive(lines, cuts):
    data = b"".join(line + b"\n" for line in lines)
    assert fed(LineSplitter(100), data, cuts) == [line for line in lines if line.strip()]


@given(LINES, st.lists(st.integers(0, 100), max_size=10))
def test_a_line_over_the_limit_is_dropped_and_said_and_the_next_one_is_whole(lines, cuts):
    data = b"".join(line + b"\n" for line in lines)
    expected = [TOO_LONG if len(line) > 5 else line for line in lines if len(line) > 5 or line.strip()]
    assert fed(LineSplitter(5), data, cuts) == expected


def test_what_has_no_end_yet_is_no_line_and_takes_no_more_memory_than_the_limit():
    splitter = LineSplitter(1000)
    for _ in range(100):
        assert fed(splitter, bytes(100)) == []
        assert len(splitter._buffer) <= 1000
    assert fed(splitter, b"\nnext\n") == [TOO_LONG, b"next"]


class Scene:
    """A channel, and the other ends of its two pipes."""

    def __init__(self, *, line_bytes=1 << 20):
        source, self.feed = os.pipe()
        self.taken, sink = os.pipe()
        self.channel = LineChannel(source, sink, name="lines", line_bytes=line_bytes)
        self.open = {self.feed, self.taken}

    def close(self, fd):
        self.open.discard(fd)
        os.close(fd)


def with_scene(function):
    async def run():
        scene = Scene()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await function(scene)
        finally:
            await scene.channel.close()
            for fd in list(scene.open):
                scene.close(fd)

    def test():
        asyncio.run(run())

    test.__name__ = function.__name__
    return test


@with_scene
async def test_lines_are_received_until_the_other_side_ends(scene):
    os.write(scene.feed, b'{"a":1}\n\n  \n{"b":2}\nrest')
    assert await scene.channel.receive() == b'{"a":1}'
    assert await scene.channel.receive() == b'{"b":2}'
    waiting = asyncio.create_task(scene.channel.receive())
    await asyncio.sleep(0)
    scene.close(scene.feed)
    assert await waiting is None


@with_scene
async def test_a_message_is_sent_whole_to_a_side_that_is_slow(scene):
    message = os.urandom(1 << 20).replace(b"\n", b"_")
    sending = asyncio.create_task(scene.channel.send(message))
    received = bytearray()
    os.set_blocking(scene.taken, False)
    while not received.endswith(b"\n"):
        await asyncio.sleep(0)
        with contextlib.suppress(BlockingIOError):
            received += os.read(scene.taken, 1 << 16)
    await sending
    assert received == message + b"\n"


@with_scene
async def test_closing_ends_whoever_waits(scene):
    receiving = asyncio.create_task(scene.channel.receive())
    sending = asyncio.create_task(scene.channel.send(bytes(1 << 20)))
    for _ in range(5):  # until both wait
        await asyncio.sleep(0)
    await scene.channel.close()
    assert await receiving is None
    with pytest.raises(ChannelClosedError):
        await sending
    await scene.channel.close()
    assert not await scene.channel.is_alive(1)


@with_scene
async def test_a_side_that_is_gone_is_told_and_closes_the_channel(scene):
    scene.close(scene.taken)
    with pytest.raises(ChannelClosedError):
        await scene.channel.send(b"x")
    assert await scene.channel.receive() is None


def test_a_source_that_the_kernel_can_not_wait_for_is_read_all_the_same(tmp_path):
    (tmp_path / "messages").write_bytes(b"one\ntwo\n")

    async def test():
        source = os.open(tmp_path / "messages", os.O_RDONLY)
        sink = os.open(os.devnull, os.O_WRONLY)
        channel = LineChannel(source, sink, name="lines", line_bytes=100)
        assert [await channel.receive() for _ in range(3)] == [b"one", b"two", None]
        await channel.close()

    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))
