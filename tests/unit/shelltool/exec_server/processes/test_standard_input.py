"""What is written to a process: once, in bounds, and what a writer is told when it can't be."""

import asyncio

import pytest

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.processes import standard_input
from shelltool.exec_server.processes.standard_input import StandardInput


class Stream:
    """A process that reads when it is let."""

    def __init__(self) -> None:
        self.is_open = True
        self.written: list[bytes] = []
        self.queued_bytes = 0
        self.limits: list[int] = []

    def write(self, data):
        self.written.append(data)

    async def room(self, limit):
        self.limits.append(limit)

    def end(self):
        self.is_open = False


def given(*, terminal=False):
    stream = Stream()
    return stream, StandardInput(stream, terminal=terminal)  # type: ignore[arg-type]


def write(standard, data, write_id=None):
    return asyncio.run(standard.write(data, write_id))


def test_the_oldest_write_ids_are_forgotten_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(standard_input, "WRITE_IDS_REMEMBERED", 2)
    stream, standard = given()
    for write_id in ("a", "b", "b", "c", "b", "a"):
        assert write(standard, write_id.encode(), write_id) == "accepted"
    assert stream.written == [b"a", b"b", b"c", b"a"]


def test_a_known_write_is_accepted_even_where_nothing_can_be_written_any_more():
    stream, standard = given()
    write(standard, b"x", "1")
    standard.end()
    assert write(standard, b"x", "1") == "accepted"
    assert write(standard, b"y", "2") == write(standard, b"z") == standard.end() == "stdinClosed"
    assert stream.written == [b"x"]


def test_a_write_waits_for_room_and_is_refused_where_too_much_waits():
    stream, standard = given()
    stream.queued_bytes = standard_input.LIMIT_BYTES - 1
    assert write(standard, b"x") == "accepted"
    assert stream.limits == [standard_input.ROOM_BYTES]
    with pytest.raises(RpcError, match="bytes of its standard input wait already"):
        write(standard, b"xy", "1")
    stream.queued_bytes = 0
    assert write(standard, b"xy", "1") == "accepted", "what was refused is not remembered"
    assert write(standard, bytes(standard_input.LIMIT_BYTES + 1)) == "accepted", "one write always goes"


def test_a_terminal_is_not_closed_but_gets_its_character():
    stream, standard = given(terminal=True)
    assert standard.end() == "accepted"
    assert (stream.written, stream.is_open) == ([b"\x04"], True)


def test_where_there_is_nothing_to_write_to_that_is_said():
    standard = StandardInput(None, terminal=False)
    assert write(standard, b"", "1") == standard.end() == "stdinClosed"
    assert not standard.resize(1, 1)
