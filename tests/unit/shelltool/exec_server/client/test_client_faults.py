"""A client whose server, or whose own caller, does what it should not: nobody waits for what will never come."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shelltool.exec_server.client import ExecServerClient, RemoteEnvironment, TransportError
from shelltool.exec_server.client import client as client_module
from shelltool.exec_server.client import remote_processes as remote_processes_module
from shelltool.exec_server.client.connectors import Connector
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.processes.events import ProcessFailed
from shelltool.exec_server.processes.messages import ProcessClosed, StartProcess, WriteProcess
from shelltool.exec_server.transports.memory import MemoryChannel

PATIENCE_S = 20.0
SESSION = {"sessionId": "s"}
QUESTION = {
    "processId": "p",
    "program": "/bin/rm",
    "argv": ["rm"],
    "cwd": "file:///",
    "place": "inside",
}


class Server:
    """The far ends of a client's connections, one after the other."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[MemoryChannel] = asyncio.Queue()
        self.channel: MemoryChannel

    @property
    def connector(self) -> Connector:
        async def connect() -> MemoryChannel:
            near, far = MemoryChannel.pair()
            await self.connections.put(far)
            return near

        return Connector(connect, can_return=True)

    async def receive(self) -> dict[str, Any]:
        """Give the next message."""
        data = await self.channel.receive()
        assert data is not None
        found: dict[str, Any] = json.loads(data)
        return found

    async def send(self, **message: Any) -> None:
        await self.channel.send(json.dumps(message).encode())

    async def welcome(self, answer: Any = SESSION) -> None:
        """Take the next connection, and answer its `initialize`."""
        self.channel = await self.connections.get()
        request = await self.receive()
        assert request["method"] == "initialize"
        await self.send(id=request["id"], result=answer)
        if answer == SESSION:
            assert (await self.receive())["method"] == "initialized"


@asynccontextmanager
async def connected(server, **options):
    client = ExecServerClient(server.connector, **options)
    welcome = asyncio.create_task(server.welcome())
    async with client:
        await welcome
        yield client


def scene(function):
    """Run a coroutine in bounded time."""

    def test(monkeypatch):
        async def run():
            async with asyncio.timeout(PATIENCE_S):
                await function(Server(), monkeypatch)

        asyncio.run(run())

    test.__name__ = function.__name__
    return test


@scene
async def test_a_first_answer_that_makes_no_sense_is_told(server, monkeypatch):
    welcome = asyncio.create_task(server.welcome(answer=5))
    with pytest.raises(TransportError, match="initialize: the answer makes no sense"):
        async with ExecServerClient(server.connector):
            pass
    await welcome


async def started(server, client):
    """Give the environment behind a client, in which a process `p` runs."""
    here = RemoteEnvironment(client)
    params = StartProcess(process_id="p", argv=["true"], cwd="/", env={}, tty=False)
    starting = asyncio.create_task(here.processes.start(params))
    request = await server.receive()
    await server.send(id=request["id"], result={"processId": "p"})
    await starting
    return here


@scene
async def test_a_later_answer_to_initialize_that_makes_no_sense_fails_everything(server, monkeypatch):
    async with connected(server) as client:
        here = await started(server, client)
        asking = asyncio.create_task(here.status(Nothing()))
        await server.receive()
        await server.channel.close()
        await server.welcome(answer={"sessionId": 5})
        with pytest.raises(TransportError, match="makes no sense"):
            await asking
        events = [event async for event in here.processes.events("p")]
        assert [type(event) for event in events] == [ProcessFailed]


@scene
async def test_a_listener_that_fails_leaves_nobody_waiting(server, monkeypatch):
    async with connected(server) as client:

        async def fail(method, params):
            raise KeyError(method)

        client.listeners.append(fail)
        asking = asyncio.create_task(RemoteEnvironment(client).status(Nothing()))
        await server.receive()
        await server.send(method="x", params={})
        with pytest.raises(TransportError, match=r"the client has failed: KeyError\('x'\)"):
            await asking


@scene
async def test_a_question_whose_answering_fails_is_denied(server, monkeypatch):
    async def approve(question):
        raise KeyError(question)

    async with connected(server, approve=approve):
        await server.send(id="q", method="exec/approve", params=QUESTION)
        answer = await server.receive()
        assert answer == {"id": "q", "result": {"accepted": False, "reason": "the client failed to ask"}}


@scene
async def test_closing_does_not_wait_for_somebody_who_never_answers(server, monkeypatch):
    asked = asyncio.Event()

    async def approve(question):
        asked.set()
        await asyncio.Event().wait()

    async with connected(server, approve=approve):
        await server.send(id="q", method="exec/approve", params=QUESTION)
        await asked.wait()


@scene
async def test_a_request_that_no_server_takes_is_not_sent_again_and_again(server, monkeypatch):
    monkeypatch.setattr(client_module, "REQUEST_BYTES", 1000)
    async with connected(server) as client:
        processes = RemoteEnvironment(client).processes
        with pytest.raises(TransportError, match=r"process/write: the request has .* more than 1000"):
            await processes.write(WriteProcess(process_id="p", chunk=bytes(1000)))


@scene
async def test_an_ended_process_is_remembered_for_a_while(server, monkeypatch):
    monkeypatch.setattr(remote_processes_module, "REMEMBERED_S", 0)
    async with connected(server) as client:
        here = await started(server, client)
        following = here.processes.events("p")
        first = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)
        await server.send(method="process/closed", params={"processId": "p", "seq": 1})
        assert await first == ProcessClosed(process_id="p", seq=1)
        while here.processes._replicas:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        assert here.processes._news == {}
