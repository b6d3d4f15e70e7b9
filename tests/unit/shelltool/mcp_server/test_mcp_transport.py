"""Lines in and out: bounded, never blocking, and closed to everybody else while the server serves."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest

from shelltool.mcp_server.transport import (
    LineSplitter,
    MalformedLineError,
    parse_line,
    render_line,
    stdio_streams,
)

DEADLINE_S = 20
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def bounded(work):
    return asyncio.run(asyncio.wait_for(work, DEADLINE_S))


def fed(limit, *pieces):
    splitter = LineSplitter(limit)
    return [
        str(line) if isinstance(line, Exception) else line
        for piece in pieces
        for line in splitter.feed(piece)
    ]


def test_lines_are_cut_wherever_they_were_divided():
    assert fed(100, b"on", b"e\ntw", b"o\n\n  \nthree") == [b"one", b"two"]


def test_a_line_that_is_too_long_is_dropped_whole_and_told():
    assert fed(5, b"12345\n123", b"456", b"789\nok\n") == [
        b"12345",
        "a message is longer than 5 bytes",
        b"ok",
    ]


def test_nothing_is_kept_of_a_line_that_is_too_long():
    splitter = LineSplitter(5)
    for _ in range(1000):
        assert list(splitter.feed(b"x" * 1000)) == []
    assert len(splitter._buffer) <= 5


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_no_division_into_pieces_changes_the_lines(pieces):
    assert fed(8, *pieces) == fed(8, b"".join(pieces))


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"jsonrpc":"2.0"}', b"\xff", b'"\\ud800"', b"null", b"1" * 300]
)
def test_what_is_no_message_is_an_error_with_a_short_excerpt(line):
    parsed = parse_line(line)
    assert isinstance(parsed, MalformedLineError)
    assert len(str(parsed)) < 200


def test_a_message_survives_the_way_there_and_back():
    parsed = parse_line(PING)
    assert isinstance(parsed, SessionMessage)
    assert parsed.message == JSONRPCRequest(jsonrpc="2.0", id=1, method="ping")
    assert render_line(parsed) == PING + b"\n"


def test_messages_come_from_a_pipe_and_go_to_one():
    async def converse():
        (source, to_source), (from_sink, sink) = os.pipe(), os.pipe()
        async with stdio_streams(source, sink) as (incoming, outgoing):
            os.write(to_source, PING + b"\nnonsense\n")
            first, second = await incoming.receive(), await incoming.receive()
            assert isinstance(first, SessionMessage)
            await outgoing.send(first)
            os.close(to_source)
            assert [item async for item in incoming] == []
        for fd in (source, sink):
            os.close(fd)
        written = os.read(from_sink, 1000)
        os.close(from_sink)
        return second, written

    second, written = bounded(converse())
    assert isinstance(second, MalformedLineError)
    assert written == PING + b"\n"


def test_a_file_and_the_null_device_can_be_read_too(tmp_path):
    (tmp_path / "requests").write_bytes((PING + b"\n") * 3)

    async def count(path):
        sink = os.open(os.devnull, os.O_WRONLY)
        source = os.open(path, os.O_RDONLY)
        try:
            async with stdio_streams(source, sink) as (incoming, _):
                return len([item async for item in incoming])
        finally:
            os.close(source)
            os.close(sink)

    assert bounded(count(tmp_path / "requests")) == 3
    assert bounded(count(os.devnull)) == 0


def test_a_client_that_does_not_read_holds_up_nothing_but_its_answers():
    async def converse():
        (source, to_source), (from_sink, sink) = os.pipe(), os.pipe()
        os.set_blocking(sink, False)
        large = SessionMessage(
            JSONRPCNotification(jsonrpc="2.0", method="large", params={"text": "x" * 1_000_000})
        )
        async with stdio_streams(source, sink) as (incoming, outgoing):
            await outgoing.send(large)
            os.write(to_source, PING + b"\n")
            received = await incoming.receive()
        for fd in (source, to_source, from_sink, sink):
            os.close(fd)
        return received

    assert isinstance(bounded(converse()), SessionMessage)


def test_stray_output_and_stray_readers_miss_the_stream():
    script = textwrap.dedent("""
        import os, subprocess, sys
        from shelltool.mcp_server.transport import guarded_standard_streams
        with guarded_standard_streams() as (source, sink):
            print("stray", flush=True)
            subprocess.run(["cat"], check=True)
            subprocess.run(["echo", "child"], check=True)
            os.write(sink, b"message " + os.read(source, 100))
        print("after " + sys.stdin.readline(), end="", flush=True)
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"one\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"message one\n"
        stdout, stderr = child.communicate(b"two\n", timeout=DEADLINE_S)
    assert stdout == b"after two\n"
    assert stderr == b"stray\nchild\n"
