"""Sessions: what a lost connection leaves, who may come back, and the end of everything at the end."""

import asyncio
import base64
import io
import os
import signal
from typing import Any

import pytest

from integration.exec_server.serving import in_memory, over_stdio, over_websocket
from integration.exec_server.wire import Wire, encoded
from shelltool.exec_server.access import Address
from shelltool.exec_server.running import _serve_websocket
from shelltool.exec_server.server import ServerSettings
from shelltool.exec_server.transports.memory import MemoryChannel
from shelltool.exec_server.transports.websocket import WebSocketChannel, connect_websocket

RETURNING = {"memory": in_memory, "websocket": over_websocket}
PATIENCE_S = 20.0


@pytest.fixture(params=list(RETURNING))
def returning(request, installation, shared_servers):
    """Start a server to which one can come back."""

    def start(**settings):
        if request.param == "websocket" and not settings:
            return shared_servers.join()
        return RETURNING[request.param](installation, **settings)

    return start


async def wait_until_gone(pid):
    """Wait until a process has ended, by a descriptor of it."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(
            watched, lambda: None if ended.done() else ended.set_result(None)
        )
        async with asyncio.timeout(PATIENCE_S):
            await ended
    finally:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)


async def expiry_of(server, identifier):
    """Wait until a session has lost its connection, and give the timer that ends it."""
    async with asyncio.timeout(PATIENCE_S):
        while server.server.sessions._sessions[identifier].connection is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    return server.server.sessions._sessions[identifier].expiry


def connection_of(wire):
    assert isinstance(wire.channel, WebSocketChannel)
    return wire.channel._connection


async def read_all(wire, process_id, after=0):
    """Read to the close of a process, as clients do that missed its notifications."""
    chunks = []
    while True:
        result = await wire.call("process/read", processId=process_id, afterSeq=after, waitMs=5000)
        chunks += result["chunks"]
        after = result["nextSeq"] - 1
        if result["closed"]:
            return chunks, result


async def test_processes_go_on_without_a_connection(returning, tmp_path):
    os.mkfifo(tmp_path / "go")
    async with returning() as server:
        async with server.session() as wire:
            await wire.start("p", "sh", "-c", f"echo before; cat {tmp_path}/go; echo after")
            await wire.wait_for_output("p", b"before")
            session = wire.session
        async with server.session(resumeSessionId=session) as wire:
            assert wire.session == session
            (tmp_path / "go").write_text("between\n", encoding="utf-8")
            assert await wire.wait_for("p", "process/closed")
            chunks, result = await read_all(wire, "p")
            assert [chunk["seq"] for chunk in chunks] == list(range(1, len(chunks) + 1))
            text = b"".join(base64.b64decode(chunk["chunk"]) for chunk in chunks)
            assert (text, result["exitCode"]) == (b"before\nbetween\nafter\n", 0)


async def test_a_connection_cut_in_the_middle_of_output_loses_nothing_that_is_retained(returning):
    async with returning() as server:
        async with server.session() as wire:
            await wire.start("p", "sh", "-c", "seq 1 100000; sleep 0.2; echo end")
            await wire.wait_for("p", "process/output")
            session = wire.session
        async with server.session(resumeSessionId=session) as wire:
            chunks, result = await read_all(wire, "p")
            numbers = [chunk["seq"] for chunk in chunks]
            assert numbers == list(range(1, len(numbers) + 1))
            text = b"".join(base64.b64decode(chunk["chunk"]) for chunk in chunks)
            assert text == b"".join(b"%d\n" % number for number in range(1, 100001)) + b"end\n"
            assert result["nextSeq"] == len(numbers) + 3


async def test_a_write_that_was_cut_off_is_written_once(returning):
    async with returning() as server:
        async with server.session() as wire:
            await wire.start("p", "cat", pipeStdin=True)
            session = wire.session
            await wire.ask("process/write", processId="p", chunk=encoded(b"once\n"), writeId="w")
            await wire.wait_for_output("p", b"once")
        async with server.session(resumeSessionId=session) as wire:
            again = await wire.call("process/write", processId="p", chunk=encoded(b"once\n"), writeId="w")
            assert again == {"status": "accepted"}
            await wire.call("process/closeStdin", processId="p")
            chunks, _ = await read_all(wire, "p")
            assert [chunk["chunk"] for chunk in chunks] == [encoded(b"once\n")]


async def test_a_write_that_is_cut_off_while_it_waits_is_written_whole_and_once(returning, tmp_path):
    size = 3 << 20
    os.mkfifo(tmp_path / "go")
    async with returning() as server:
        async with server.session() as wire:
            await wire.start("p", "sh", "-c", f"cat {tmp_path}/go; exec wc -c", pipeStdin=True)
            session = wire.session
            chunk = encoded(bytes(size))
            writing = await wire.ask("process/write", processId="p", chunk=chunk, writeId="w")
            assert await wire.call("environment/status") == {"status": "ready"}
            assert not writing.done(), "nobody reads it yet"
        async with server.session(resumeSessionId=session) as wire:
            again = await wire.call("process/write", processId="p", chunk=chunk, writeId="w")
            assert again == {"status": "accepted"}
            await wire.call("process/closeStdin", processId="p")
            (tmp_path / "go").write_text("", encoding="utf-8")
            assert await wire.ended_process("p") == (b"%d\n" % size, 0)


async def test_a_long_poll_that_was_cut_off_can_be_asked_again(returning):
    async with returning() as server:
        async with server.session() as wire:
            await wire.start("p", "cat", pipeStdin=True)
            session = wire.session
            await wire.ask("process/read", processId="p", waitMs=60_000)
        async with server.session(resumeSessionId=session) as wire:
            read = await wire.ask("process/read", processId="p", waitMs=60_000)
            await wire.call("process/write", processId="p", chunk=encoded(b"x"), writeId="1")
            answer = await asyncio.wait_for(read, PATIENCE_S)
            assert [chunk["seq"] for chunk in answer["result"]["chunks"]] == [1]


async def test_a_session_that_is_attached_is_not_given_to_another_connection(returning):
    async with returning() as server, server.session() as first, server.connection() as second:
        refused = await second.refused("initialize", clientName="t", resumeSessionId=first.session)
        assert refused.code == -32010
        assert refused.message == f"session {first.session} is already attached to another connection"
        assert await first.call("environment/status") == {"status": "ready"}


async def test_a_session_can_be_taken_over(returning):
    async with returning() as server, server.session() as first:
        await first.start("p", "cat", pipeStdin=True)
        async with server.session(resumeSessionId=first.session, takeOver=True) as second:
            await asyncio.wait_for(first.ended.wait(), PATIENCE_S)
            await second.call("process/write", processId="p", chunk=encoded(b"x"), writeId="1")
            await second.wait_for("p", "process/output")


class Lingering(MemoryChannel):
    """A channel that takes its time to close, as a closing handshake does; what is on its way still arrives."""

    def __init__(self, *queues: Any) -> None:
        super().__init__(*queues)
        self.may_close = asyncio.Event()

    async def close(self) -> None:
        await self.may_close.wait()
        await super().close()


async def test_what_still_comes_over_a_connection_whose_session_was_taken_over_is_not_done(installation):
    async with in_memory(installation) as server:
        assert server.server is not None
        ours, theirs = Lingering.pair()
        serving = asyncio.create_task(server.server.serve_channel(theirs))
        first = Wire(ours)
        await first.open()
        await first.start("p", "cat", pipeStdin=True)
        async with server.connection() as second:
            opened = await second.ask(
                "initialize", clientName="t", resumeSessionId=first.session, takeOver=True
            )
            async with asyncio.timeout(PATIENCE_S):
                while server.server.sessions._sessions[first.session].connection is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0)
                await first.ask("process/write", processId="p", chunk=encoded(b"late\n"), writeId="1")
                while not theirs._incoming.empty():  # noqa: ASYNC110 - as above, nobody tells
                    await asyncio.sleep(0)
                theirs.may_close.set()
                assert "result" in await opened
            await second.send({"method": "initialized"})
            await second.call("process/closeStdin", processId="p")
            assert await second.ended_process("p") == (b"", 0)
        ours.may_close.set()
        await first.close()
        await asyncio.wait_for(serving, PATIENCE_S)


async def test_file_handles_end_with_their_connection(returning, tmp_path):
    (tmp_path / "f").write_text("text", encoding="utf-8")
    async with returning() as server:
        async with server.session() as wire:
            await wire.call("fs/open", handleId="h", path=str(tmp_path / "f"))
            session = wire.session
        async with server.session(resumeSessionId=session) as wire:
            refused = await wire.refused("fs/readBlock", handleId="h", offset=0, len=1)
            assert (refused.code, refused.message) == (-32004, "unknown file handle `h`")


async def test_a_session_ends_when_nobody_comes_back(returning):
    async with returning(session_ttl_s=0.2) as server:
        async with server.session() as wire:
            await wire.start("p", "sh", "-c", "setsid sleep 60 & echo $!; sleep 60")
            child = int(await wire.wait_for_output("p", b"\n"))
            listed = await wire.call("process/list")
            session = wire.session
        await wait_until_gone(listed["processes"][0]["pid"])
        await wait_until_gone(child)
        async with server.connection() as wire:
            refused = await wire.refused("initialize", clientName="t", resumeSessionId=session)
            assert refused.message == f"unknown session id {session}"


async def test_each_detachment_gives_the_whole_time_again(installation):
    async with in_memory(installation, session_ttl_s=600) as server:
        clock = asyncio.get_running_loop().time
        before = None
        resumed: dict[str, str] = {}
        for _ in range(3):
            async with server.session(**resumed) as wire:
                resumed = {"resumeSessionId": wire.session}
                assert before is None or before.cancelled(), "an attached session does not expire"
                connected = clock()
            before = await expiry_of(server, wire.session)
            assert connected + 600 <= before.when() <= clock() + 600


async def test_terminate_ends_what_left_the_process_group(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "setsid sleep 60 & echo $!; sleep 60")
        child = int(await wire.wait_for_output("p", b"\n"))
        await wire.call("process/terminate", processId="p")
        assert (await wire.ended_process("p"))[1] == 137
        await wait_until_gone(child)


async def test_what_an_ended_process_left_in_the_background_stays_until_the_session_ends(installation):
    async with over_websocket(installation, session_ttl_s=0) as server:
        async with server.session() as wire:
            await wire.run("p", "sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!")
            child = int(wire.output("p"))
            assert await wire.call("process/terminate", processId="p") == {"running": False}
            os.kill(child, 0)
        await wait_until_gone(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_the_end_of_the_server_leaves_no_process(number, installation):
    script = "trap '' TERM INT HUP; setsid sleep 60 & echo $! $$; while :; do sleep 0.05; done"
    async with over_websocket(installation) as server, server.session() as wire:
        await wire.start("p", "sh", "-c", script)
        await wire.start("t", "sh", "-c", script, tty=True)
        pids = [int(word) for name in "pt" for word in (await wire.wait_for_output(name, b"\n")).split()]
        assert len(pids) == 4
        os.kill(server.pid, number)
        for pid in pids:
            await wait_until_gone(pid)


async def test_a_signal_right_after_the_line_ends_the_server_as_any_other(monkeypatch):
    missed = []

    class Reader(io.StringIO):
        """Whoever reads the line, and sends a signal at once."""

        def flush(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, lambda *_: missed.append("missed"))
    try:
        monkeypatch.setattr("sys.stdout", Reader())
        serving = _serve_websocket(ServerSettings(), Address("127.0.0.1", 0), stdin_counts=False)
        await asyncio.wait_for(serving, PATIENCE_S)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert missed == []


async def test_the_end_of_stdin_ends_a_server_on_stdio_and_its_processes(installation):
    async with over_stdio(installation) as server:
        async with server.session() as wire:
            await wire.start("p", "sh", "-c", "setsid sleep 60 & echo $!; sleep 60")
            child = int(await wire.wait_for_output("p", b"\n"))
        await wait_until_gone(child)


async def test_the_end_of_stdin_ends_a_server_that_listens_where_it_is_told_to(installation):
    child = await asyncio.create_subprocess_exec(
        *installation.command("--exit-on-stdin-close", "--log-level", "error"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=installation.environment(),
    )
    assert child.stdout is not None
    assert child.stdin is not None
    url = (await asyncio.wait_for(child.stdout.readline(), PATIENCE_S)).decode().strip()
    wire = Wire(await connect_websocket(url))
    await wire.open()
    await wire.start("p", "sh", "-c", "setsid sleep 60 & echo $!; sleep 60")
    left = int(await wire.wait_for_output("p", b"\n"))
    child.stdin.write(b"anything")
    await child.stdin.drain()
    assert await wire.call("environment/status") == {"status": "ready"}
    child.stdin.close()
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0
    await wait_until_gone(left)
    await wire.close()


async def test_a_supervisor_that_is_killed_leaves_no_process(installation):
    async with over_websocket(installation) as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "setsid sleep 60 & echo $! $PPID; sleep 60")
        child, supervisor = map(int, (await wire.wait_for_output("p", b"\n")).split())
        assert supervisor != server.pid
        os.kill(supervisor, signal.SIGKILL)
        assert (await wire.ended_process("p"))[1] == 137
        await wait_until_gone(child)


async def test_a_dead_connection_is_noticed_and_its_session_can_be_resumed(installation):
    async with over_websocket(installation, "--ping-interval", "0.3") as server, server.session() as wire:
        # The client's side of the socket stays open and silent, as after a cut cable.
        connection_of(wire).transport.pause_reading()
        async with server.connection() as other, asyncio.timeout(PATIENCE_S):
            result = await other.call("initialize", clientName="t", resumeSessionId=wire.session)
            assert result["sessionId"] == wire.session
