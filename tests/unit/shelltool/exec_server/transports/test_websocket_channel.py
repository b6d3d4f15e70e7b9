"""A WebSocket connection: nothing is delayed, and one is only taken for dead when nothing moves."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.transports import websocket
from shelltool.exec_server.transports.websocket import Limits, WebSocketChannel, without_delay

PATIENCE_S = 20.0
PING_S = 0.005


class Wire:
    """What the library gives: a connection, and the transport below it."""

    def __init__(self, *, answers):
        self.answers = answers
        self.pings = 0
        self.pinged = asyncio.Event()
        self.aborted = asyncio.Event()
        self.waiting_bytes = 0
        self.sent = []
        self.remote_address = ("127.0.0.1", 5)
        self.transport = SimpleNamespace(
            abort=self.aborted.set,
            is_closing=self.aborted.is_set,
            get_write_buffer_size=lambda: self.waiting_bytes,
            get_extra_info=lambda _: None,
        )

    def check_open(self):
        """Fail as asyncio does."""
        if self.transport.is_closing():
            raise AttributeError("'NoneType' object has no attribute 'call_soon'")

    async def ping(self):
        self.check_open()
        self.pings += 1
        if self.pings == 5:
            self.pinged.set()
        answer = asyncio.get_running_loop().create_future()
        if self.answers:
            answer.set_result(None)
        return answer

    async def recv(self, *, decode):  # noqa: ARG002
        return b"message"

    async def send(self, data, *, text):
        assert text
        self.check_open()
        self.sent.append(data)

    async def close(self):
        self.check_open()


def scene(test):
    """Give a connection of each kind to a test, in bounded time."""

    async def run(answers):
        wire = Wire(answers=answers)
        channel = WebSocketChannel(wire, Limits(ping_s=PING_S))  # type: ignore[arg-type]
        async with asyncio.timeout(PATIENCE_S):
            await test(wire, channel)
        await channel.close()

    return lambda answers: asyncio.run(run(answers))


def test_a_connection_that_answers_is_kept():
    async def test(wire, channel):
        await wire.pinged.wait()
        assert not wire.aborted.is_set()
        assert await channel.is_alive(PATIENCE_S)

    scene(test)(answers=True)


def test_one_that_neither_answers_nor_moves_is_cut():
    async def test(wire, channel):
        await wire.aborted.wait()
        assert not await channel.is_alive(PING_S)

    scene(test)(answers=False)


@pytest.mark.parametrize("movement", ["comes", "goes", "is taken"])
def test_one_that_does_not_answer_but_moves_is_kept(movement):
    async def test(wire, channel):
        while not wire.pinged.is_set():
            if movement == "comes":
                await channel.receive()
            elif movement == "goes":
                await channel.send(b"x")
            else:
                wire.waiting_bytes += 1
            await asyncio.sleep(0)
        assert not wire.aborted.is_set()

    scene(test)(answers=False)


def test_a_transport_that_is_closed_already_is_left_alone():
    async def test(wire, channel):
        wire.aborted.set()
        with pytest.raises(ChannelClosedError, match=r"websocket 127.0.0.1:5 is closed"):
            await channel.send(b"x")
        assert not await channel.is_alive(PATIENCE_S)
        await channel.close()

    scene(test)(answers=True)


def test_closing_does_not_wait_for_a_side_that_reads_nothing(monkeypatch):
    monkeypatch.setattr(websocket, "CLOSE_S", 0.01)

    async def test(wire, channel):
        wire.close = asyncio.Event().wait
        await channel.close()
        assert wire.aborted.is_set()

    scene(test)(answers=True)


def test_what_is_larger_than_a_frame_goes_out_in_several_where_it_has_to():
    async def test(wire, channel):
        clients = WebSocketChannel(wire, Limits(), fragment_bytes=4)
        for data in (b"1234", b"12345", b"123456789"):
            await clients.send(data)
            await channel.send(data)
        await clients.close()
        assert wire.sent[::2] == [b"1234", [b"1234", b"5"], [b"1234", b"5678", b"9"]]
        assert wire.sent[1::2] == [b"1234", b"12345", b"123456789"]

    scene(test)(answers=True)


def test_small_messages_are_sent_at_once_and_other_sockets_are_left_alone():
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as local:
        for found in (tcp, local, None):
            transport = SimpleNamespace(get_extra_info=lambda _, found=found: found)
            without_delay(SimpleNamespace(transport=transport))  # type: ignore[arg-type]
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
