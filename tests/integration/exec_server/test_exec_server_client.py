"""The client and both environments: callers can't tell here from there, nor a good network from a bad one."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.asyncio.server import serve

from integration.exec_server.serving import TRANSPORTS, in_memory, over_stdio, over_websocket
from integration.exec_server.test_exec_server_sessions import wait_until_gone
from shelltool.exec_server.client import ExecServerClient, RemoteEnvironment, TransportError
from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files.messages import GetMetadata, ReadFile, WriteFile
from shelltool.exec_server.local_environment import LocalEnvironment, LocalMachine
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.processes.events import OutputDropped, ProcessFailed
from shelltool.exec_server.processes.launching import Launcher
from shelltool.exec_server.processes.messages import (
    CloseStdin,
    ListProcesses,
    ProcessClosed,
    ProcessExited,
    ProcessOutput,
    ReadProcess,
    SignalProcess,
    StartProcess,
    TerminateProcess,
    WriteProcess,
)
from shelltool.exec_server.processes.process import Settings
from shelltool.exec_server.processes.service import LocalProcesses
from shelltool.exec_server.transports import websocket

PATIENCE_S = 30.0


class Nobody:
    """An outlet for callers that read events."""

    is_full = False

    def send(self, method, params):
        """Forget it."""

    def when_not_full(self, callback):
        callback()


def session_of(client):
    assert client.session is not None
    return client.session.session_id


async def ignore(method, params):
    """Take no notice of a notification."""


@asynccontextmanager
async def local(installation):
    machine = LocalMachine()
    settings = Settings(supervisor=installation.supervisor, files_limit=1024)
    processes = LocalProcesses(launcher=Launcher(), settings=settings, outlet=Nobody())
    environment = LocalEnvironment(machine, processes, ignore)
    yield environment
    await environment.close()
    await machine.close()


@asynccontextmanager
async def remote(serving):
    async with serving as server, ExecServerClient(server.connector) as client:
        yield RemoteEnvironment(client)


@pytest.fixture(params=["local", *TRANSPORTS])
def environment(request, installation, shared_servers):
    """Give what makes an environment, here or behind each transport."""
    if request.param == "local":
        return lambda: local(installation)
    if request.param == "websocket":
        return lambda: remote(shared_servers.join())
    return lambda: remote(TRANSPORTS[request.param](installation))


@pytest.fixture(params=["memory", "websocket"])
def returning(request, installation, shared_servers):
    """Give what starts a server to which a client can come back."""
    return lambda: in_memory(installation) if request.param == "memory" else shared_servers.join()


def process(identifier, *argv, **params):
    given = {"cwd": "/tmp", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, **params}
    return StartProcess(process_id=identifier, argv=list(argv), **given)


async def followed(environment, identifier):
    """Follow a process to its last event."""
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in environment.processes.events(identifier)]


def output_of(events):
    return b"".join(event.chunk for event in events if isinstance(event, ProcessOutput))


async def test_events_are_in_order_and_complete(environment):
    async with environment() as here:
        await here.processes.start(process("p", "sh", "-c", "seq 1 30000; echo err >&2; exit 3"))
        events = await followed(here, "p")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        text = b"".join(event.chunk for event in events if getattr(event, "stream", "") == "stdout")
        assert text == b"".join(b"%d\n" % number for number in range(1, 30001))
        assert isinstance(events[-1], ProcessClosed)
        assert [event.exit_code for event in events if isinstance(event, ProcessExited)] == [3]


async def test_a_process_is_fed_and_ended(environment):
    async with environment() as here:
        processes = here.processes
        await processes.start(process("p", "cat", pipe_stdin=True))
        assert (await processes.write(WriteProcess(process_id="p", chunk=b"a"))).status == "accepted"
        assert (await processes.write(WriteProcess(process_id="p", chunk=b"b"))).status == "accepted"
        assert (await processes.close_stdin(CloseStdin(process_id="p"))).status == "accepted"
        assert output_of(await followed(here, "p")) == b"ab"
        await processes.start(process("q", "sleep", "60"))
        await processes.signal(SignalProcess(process_id="q", signal="SIGTERM"))
        assert [
            event.exit_code for event in await followed(here, "q") if isinstance(event, ProcessExited)
        ] == [143]
        await processes.start(process("r", "sleep", "60"))
        assert (await processes.terminate(TerminateProcess(process_id="r"))).running
        await followed(here, "r")
        listed = await processes.list(ListProcesses())
        assert {item.process_id: item.exit_code for item in listed.processes} == {"p": 0, "q": 143, "r": 137}
        read = await processes.read(ReadProcess(process_id="p"))
        assert (b"".join(chunk.chunk for chunk in read.chunks), read.failure) == (b"ab", None)


async def test_closing_an_environment_ends_what_was_started_through_it(environment):
    async with environment() as here:
        await here.processes.start(process("done", "true"))
        await followed(here, "done")
        await here.processes.start(process("p", "sh", "-c", "setsid sleep 60 & echo $! $$; sleep 60"))
        events = here.processes.events("p")
        first = await asyncio.wait_for(anext(events), PATIENCE_S)
        assert isinstance(first, ProcessOutput)
        await asyncio.wait_for(here.close(), PATIENCE_S)
        for pid in map(int, first.chunk.split()):
            await wait_until_gone(pid)


async def test_failures_are_the_same_here_and_there(environment, tmp_path):
    async with environment() as here:
        with pytest.raises(RpcError) as raised:
            await here.processes.start(process("p", "nope"))
        assert (raised.value.code, (raised.value.data or {})["errno"]) == (-32603, 2)
        with pytest.raises(RpcError) as raised:
            await here.files.get_metadata(GetMetadata(path=str(tmp_path / "nope")))
        assert (raised.value.code, raised.value.data) == (
            -32004,
            {"errno": 2, "path": (tmp_path / "nope").as_uri()},
        )
        with pytest.raises(RpcError) as raised:
            await here.processes.read(ReadProcess(process_id="nobody"))
        assert raised.value.message == "unknown process id nobody"


async def test_files_and_the_machine_are_the_same_here_and_there(environment, tmp_path):
    async with environment() as here:
        path = str(tmp_path / "a file")
        await here.files.write_file(WriteFile(path=path, data_base64=bytes(range(256))))
        assert (await here.files.read_file(ReadFile(path=path))).data_base64 == bytes(range(256))
        assert (await here.info(Nothing())).user_home_dir == os.environ["HOME"]
        assert (await here.status(Nothing())).status == "ready"


async def test_a_client_comes_back_and_misses_nothing(returning):
    async with returning() as server, ExecServerClient(server.connector) as client:
        here = RemoteEnvironment(client)
        script = "for i in 1 2 3 4 5 6 7 8 9 10; do seq 1 2000; sleep 0.05; done; exit 9"
        await here.processes.start(process("p", "sh", "-c", script))
        session = session_of(client)

        async def cut():
            for _ in range(4):
                await asyncio.sleep(0.1)
                await client.drop_connection()

        cutting = asyncio.create_task(cut())
        events = await followed(here, "p")
        await cutting
        assert not [event for event in events if isinstance(event, OutputDropped | ProcessFailed)]
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert output_of(events) == b"".join(b"%d\n" % number for number in range(1, 2001)) * 10
        assert [event.exit_code for event in events if isinstance(event, ProcessExited)] == [9]
        assert session_of(client) == session


async def test_writes_survive_a_cut_and_are_written_once(returning):
    async with returning() as server, ExecServerClient(server.connector) as client:
        here = RemoteEnvironment(client)
        await here.processes.start(process("p", "cat", pipe_stdin=True))
        for number in range(60):
            write = asyncio.create_task(
                here.processes.write(WriteProcess(process_id="p", chunk=b"%d\n" % number))
            )
            if number % 15 == 7:
                await asyncio.sleep(0)
                await client.drop_connection()
            assert (await asyncio.wait_for(write, PATIENCE_S)).status == "accepted"
        await here.processes.close_stdin(CloseStdin(process_id="p"))
        expected = b"".join(b"%d\n" % number for number in range(60))
        assert output_of(await followed(here, "p")) == expected


async def test_a_write_that_is_larger_than_a_frame_arrives(returning):
    size = 20 << 20
    async with returning() as server, ExecServerClient(server.connector) as client:
        here = RemoteEnvironment(client)
        await here.processes.start(process("p", "wc", "-c", pipe_stdin=True))
        writing = here.processes.write(WriteProcess(process_id="p", chunk=bytes(size)))
        assert (await asyncio.wait_for(writing, PATIENCE_S)).status == "accepted"
        await here.processes.close_stdin(CloseStdin(process_id="p"))
        assert output_of(await followed(here, "p")) == b"%d\n" % size


async def test_a_server_that_says_too_much_is_not_listened_to(monkeypatch):
    monkeypatch.setattr(websocket, "ANSWER_BYTES", 10_000)

    async def talk(connection):
        await connection.send("x" * 10_000)
        await connection.send("x" * 10_001)
        await connection.wait_closed()

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        host, port = next(iter(server.sockets)).getsockname()
        channel = await websocket.connect_websocket(f"ws://{host}:{port}")
        async with asyncio.timeout(PATIENCE_S):
            assert await channel.receive() == b"x" * 10_000
            assert await channel.receive() is None
        await channel.close()


async def test_a_read_survives_a_cut(returning):
    async with returning() as server, ExecServerClient(server.connector) as client:
        here = RemoteEnvironment(client)
        await here.processes.start(process("p", "cat", pipe_stdin=True))
        read = asyncio.create_task(here.processes.read(ReadProcess(process_id="p", wait_ms=60_000)))
        await asyncio.sleep(0.1)
        await client.drop_connection()
        await here.processes.write(WriteProcess(process_id="p", chunk=b"x"))
        assert [chunk.chunk for chunk in (await asyncio.wait_for(read, PATIENCE_S)).chunks] == [b"x"]


async def test_the_end_of_the_server_is_the_failure_of_its_processes(installation):
    async with over_websocket(installation) as server:
        client = ExecServerClient(server.connector, recovery_s=0.3)
        async with client:
            here = RemoteEnvironment(client)
            await here.processes.start(process("p", "sleep", "60"))
            os.kill(server.pid, signal.SIGKILL)
            events = await followed(here, "p")
            assert isinstance(events[-1], ProcessFailed)
            assert "exec-server transport disconnected" in events[-1].message
            read = await here.processes.read(ReadProcess(process_id="p"))
            assert (read.closed, "session is lost" in str(read.failure)) == (True, True)
            with pytest.raises(TransportError):
                await here.status(Nothing())


async def test_a_program_that_ends_is_not_come_back_to(installation):
    async with over_stdio(installation) as server, ExecServerClient(server.connector) as client:
        here = RemoteEnvironment(client)
        await here.processes.start(process("p", "sleep", "60"))
        await client.drop_connection()
        assert isinstance((await followed(here, "p"))[-1], ProcessFailed)


async def test_an_expired_session_is_the_failure_of_its_processes(installation):
    async with in_memory(installation, session_ttl_s=0) as server:
        client = ExecServerClient(server.connector)
        async with client:
            here = RemoteEnvironment(client)
            await here.processes.start(process("p", "sleep", "60"))
            await client.drop_connection()
            assert "unknown session id" in (await followed(here, "p"))[-1].message


async def test_a_server_that_is_not_there_is_told(installation):
    async with over_websocket(installation) as server:
        connector = server.connector
    with pytest.raises(Exception, match="can't connect"):
        async with ExecServerClient(connector):
            pass


async def test_requests_that_can_not_be_repeated_fail_with_the_connection(installation, tmp_path):
    async with in_memory(installation) as server:
        client = ExecServerClient(replace(server.connector))
        async with client:
            here = RemoteEnvironment(client)
            await here.processes.start(process("p", "cat", pipe_stdin=True))
            signalled = asyncio.create_task(
                here.processes.signal(SignalProcess(process_id="p", signal="interrupt"))
            )
            await client.drop_connection()
            with pytest.raises(TransportError, match="nobody knows whether it was done"):
                await asyncio.wait_for(signalled, PATIENCE_S)
