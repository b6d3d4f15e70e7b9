"""What waits to be sent: in order, full when it is, and nobody waits for a connection that has ended."""

import asyncio

import pytest

from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.outgoing import Outgoing

PATIENCE_S = 20.0


class Sink:
    """A channel whose other side takes a message when it is let."""

    name = "sink"

    def __init__(self, *, is_open=True):
        self.sent: list[bytes] = []
        self.breaks = False
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        if is_open:
            self.gate.set()

    async def send(self, data):
        self.asked.set()
        await self.gate.wait()
        if self.breaks:
            raise ChannelClosedError("gone")
        self.sent.append(data)

    async def receive(self):
        raise NotImplementedError

    async def close(self):
        raise NotImplementedError

    async def is_alive(self, timeout_s):
        raise NotImplementedError


def scene(function):
    """Run a coroutine in bounded time."""

    async def run():
        async with asyncio.timeout(PATIENCE_S):
            await function()

    def test():
        asyncio.run(run())

    test.__name__ = function.__name__
    return test


async def settled():
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


@scene
async def test_messages_are_sent_in_the_order_in_which_they_were_put():
    sink = Sink()
    outgoing = Outgoing(sink)
    sending = asyncio.create_task(outgoing.run())
    for number in range(100):
        outgoing.put(b"%d" % number)
        if number % 7 == 0:
            await settled()
    await settled()
    assert sink.sent == [b"%d" % number for number in range(100)]
    sending.cancel()


@scene
async def test_it_is_full_until_half_of_it_has_been_taken():
    sink = Sink(is_open=False)
    outgoing = Outgoing(sink, full_bytes=100)
    sending = asyncio.create_task(outgoing.run())
    calls = []
    for _ in range(9):
        outgoing.put(bytes(10))
    assert not outgoing.is_full
    outgoing.put(bytes(10))
    assert outgoing.is_full
    outgoing.when_not_full(lambda: calls.append(len(sink.sent)))
    await settled()
    assert calls == [], "what is being sent still counts"
    sink.gate.set()
    await settled()
    assert calls == [10]
    assert not outgoing.is_full
    sending.cancel()


@scene
async def test_a_call_back_comes_once_and_never_from_within_the_asking():
    outgoing = Outgoing(Sink(), full_bytes=100)
    calls = []
    outgoing.when_not_full(lambda: calls.append("room"))
    assert calls == []
    await settled()
    outgoing.put(b"x")
    await settled()
    assert calls == ["room"]


@scene
async def test_room_is_waited_for_only_while_there_is_none():
    sink = Sink(is_open=False)
    outgoing = Outgoing(sink, full_bytes=10)
    sending = asyncio.create_task(outgoing.run())
    await outgoing.room()
    outgoing.put(bytes(10))
    waiting = asyncio.create_task(outgoing.room())
    await settled()
    assert not waiting.done()
    sink.gate.set()
    await waiting
    sending.cancel()


@pytest.mark.parametrize("way", ["close", "break", "cancel"])
def test_the_end_of_a_connection_lets_everybody_go(way):
    async def test():
        sink = Sink(is_open=False)
        outgoing = Outgoing(sink, full_bytes=10)
        sending = asyncio.create_task(outgoing.run())
        outgoing.put(bytes(20))
        waiting = asyncio.create_task(outgoing.room())
        await sink.asked.wait()
        if way == "close":
            outgoing.close()
        elif way == "cancel":
            sending.cancel()
        else:
            sink.breaks = True
            sink.gate.set()
        await waiting
        assert outgoing.is_closed
        outgoing.put(bytes(20))
        assert not outgoing.is_full
        assert sink.sent == []
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(asyncio.wait_for(test(), PATIENCE_S))
