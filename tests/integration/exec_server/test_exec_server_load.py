"""Load: many processes, large messages, readers that are slow or dead."""

import asyncio
import base64
import json
import re
import socket
from pathlib import Path

import pytest

from integration.exec_server.wire import encoded
from shelltool.exec_server.transports.websocket import connect_websocket

PROCESSES = 1000
AT_ONCE = 8
MIB = 1 << 20
FLOODS = (
    40 * 10**6,  # a server that kept it in memory would have too much already
    pytest.param(200 * 10**6, marks=pytest.mark.thorough),
)
SERVER_KIB_MAX = 100 * 1000
PATIENCE_S = 110.0


def resident_kib(pid):
    """Give the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1])


@pytest.mark.thorough
async def test_a_thousand_processes_have_contiguous_numbers(serving_once):
    async with serving_once() as server, server.session() as wire:
        numbers = iter(range(PROCESSES))

        async def work():
            for number in numbers:
                script = f"echo {number}; echo e >&2; exit {number % 256}"
                output, code = await wire.run(f"p{number}", "sh", "-c", script)
                assert (set(output.split()), code) == ({b"%d" % number, b"e"}, number % 256)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def test_three_hundred_processes_run_at_the_same_time(serving_shared):
    async with serving_shared() as server, server.session() as wire:
        names = [f"p{number}" for number in range(300)]
        await asyncio.gather(*(wire.start(name, "cat", pipeStdin=True) for name in names))
        assert len((await wire.call("process/list"))["processes"]) == 300
        for name in names:
            await wire.call("process/write", processId=name, chunk=encoded(name.encode()), writeId="1")
            await wire.call("process/closeStdin", processId=name)
        for name in names:
            assert await wire.ended_process(name) == (name.encode(), 0)


async def test_a_frame_of_sixteen_mebibytes_is_taken_and_one_byte_more_is_not(serving_shared, tmp_path):
    async with serving_shared() as server:
        for excess in (0, 1):
            async with server.session() as wire:
                head = f'{{"id":1000,"method":"fs/writeFile","params":{{"path":"{tmp_path}/f","dataBase64":"'
                text = "A" * ((16 * MIB - len(head) - 3) // 4 * 4)
                data = head + text + '"}}'
                data += " " * (16 * MIB + excess - len(data))
                assert len(data) == 16 * MIB + excess
                # Our client's channel would send two.
                await wire.channel._connection.send(data)
                if excess:
                    await asyncio.wait_for(wire.ended.wait(), PATIENCE_S)
                    assert wire.channel._connection.close_code == 1009
                else:
                    answer = await asyncio.wait_for(wire.unasked.get(), PATIENCE_S)
                    assert answer == {"id": 1000, "result": {}}
        assert (tmp_path / "f").stat().st_size == len(base64.b64decode(text))


async def test_a_fragmented_message_of_sixty_four_mebibytes_is_taken_and_one_byte_more_is_not(serving_shared):
    async with serving_shared() as server:
        for excess in (0, 1):
            async with server.session() as wire:
                message = b'{"id":7777777,"method":"environment/status"}'
                size = 64 * MIB + excess

                async def fragments(message=message, size=size):
                    yield message
                    left = size - len(message)
                    while left:
                        part = min(left, 8 * MIB)
                        yield b" " * part
                        left -= part

                sending = asyncio.ensure_future(wire.channel._connection.send(fragments(), text=True))
                if excess:
                    await asyncio.wait_for(wire.ended.wait(), PATIENCE_S)
                else:
                    await sending
                    answer = await asyncio.wait_for(wire.unasked.get(), PATIENCE_S)
                    assert answer["result"] == {"status": "ready"}
                await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_to_a_slow_client_leaves_the_server_small(flood, serving_once):
    async with serving_once() as server:
        channel = await connect_websocket(server.url)
        await channel.send(b'{"id":1,"method":"initialize","params":{"clientName":"slow"}}')
        await channel.send(b'{"method":"initialized"}')
        params = {
            "processId": "p",
            "argv": ["head", "-c", str(flood), "/dev/zero"],
            "cwd": "/",
            "env": {},
            "tty": False,
        }
        await channel.send(json.dumps({"id": 2, "method": "process/start", "params": params}).encode())
        received = events = 0
        async with asyncio.timeout(PATIENCE_S):
            while True:
                data = await channel.receive()
                assert data is not None
                events += 1
                if events % 2000 == 0:
                    await asyncio.sleep(0.05)
                if b'"process/output"' in data[:40]:
                    received += len(base64.b64decode(json.loads(data)["params"]["chunk"]))
                elif b'"process/closed"' in data[:40]:
                    break
        assert received == flood
        assert resident_kib(server.pid) < SERVER_KIB_MAX
        await channel.close()


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_to_nobody_is_not_held_up(flood, serving_once):
    async with serving_once() as server:
        async with server.session() as wire:
            session = wire.session
            await wire.start("p", "sh", "-c", f"read x; head -c {flood} /dev/zero", pipeStdin=True)
            await wire.call("process/write", processId="p", chunk=encoded(b"\n"), writeId="1")
        async with server.session(resumeSessionId=session) as wire:
            result = await wire.call("process/read", processId="p", afterSeq=10**9, waitMs=1000)
            after = 10**9
            async with asyncio.timeout(PATIENCE_S):
                while not result["closed"]:
                    result = await wire.call("process/read", processId="p", afterSeq=after, waitMs=1000)
        assert resident_kib(server.pid) < SERVER_KIB_MAX


async def test_a_client_that_never_reads_holds_up_no_other_and_not_the_end(serving_once):
    async with serving_once() as server:
        dead = await connect_websocket(server.url)
        # A window of next to nothing, and nobody who takes anything out of it.
        dead._connection.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
        )
        await dead.send(b'{"id":1,"method":"initialize","params":{"clientName":"dead"}}')
        await dead.send(b'{"method":"initialized"}')
        dead._connection.transport.pause_reading()
        params = {
            "processId": "p",
            "argv": ["yes"],
            "cwd": "/",
            "env": {"PATH": "/bin:/usr/bin"},
            "tty": False,
        }
        await dead.send(json.dumps({"id": 2, "method": "process/start", "params": params}).encode())
        async with server.session() as wire:
            for number in range(50):
                assert await wire.run(f"p{number}", "echo", "x") == (b"x\n", 0)
        assert resident_kib(server.pid) < SERVER_KIB_MAX
    # The server has ended, and did not wait for it either.
    await dead.close()


async def test_half_a_handshake_holds_up_nobody(serving_shared):
    async with serving_shared() as server:
        host, port = server.url.removeprefix("ws://").split(":")
        writers = [(await asyncio.open_connection(host, int(port)))[1] for _ in range(3)]
        for writer, half in zip(writers, (b"\x81", b"GET / HTTP/1.1\r\n", b""), strict=True):
            writer.write(half)
        async with server.session() as wire:
            assert await wire.run("p", "true") == (b"", 0)
        for writer in writers:
            writer.close()
