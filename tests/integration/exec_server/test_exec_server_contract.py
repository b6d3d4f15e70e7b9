"""What every client may rely on, over each transport: the handshake and the envelope."""

import asyncio

import pytest

from integration.exec_server.serving import in_memory
from integration.exec_server.wire import encoded
from shelltool.exec_server.connection import Connection
from shelltool.exec_server.environment_messages import EnvironmentStatus
from shelltool.exec_server.files.service import LocalFiles
from shelltool.exec_server.local_environment import LocalEnvironment
from shelltool.exec_server.server import ExecServer
from shelltool.exec_server.transports.memory import MemoryChannel


async def test_the_answer_to_initialize_names_session_and_machine(serving):
    async with serving() as server, server.connection() as wire:
        result = await wire.open()
        assert len(result["sessionId"]) == 36
        assert result["environmentInfo"]["platformOs"] in {"linux", "macos"}
        assert not result["environmentInfo"]["capabilities"]["execApprove"], "nothing is judged here"
        assert await wire.call("environment/status") == {"status": "ready"}
        assert (await wire.call("environment/info"))["shell"]["path"].startswith("/")


async def test_methods_wait_for_the_handshake(serving):
    async with serving() as server, server.connection() as wire:
        early = await wire.refused("process/read", processId="p")
        assert (early.code, early.message) == (
            -32600,
            "client must call initialize before using exec methods",
        )
        undecoded = await wire.refused("process/start")
        assert undecoded.code == -32602
        assert "missing field `processId`" in undecoded.message
        await wire.call("initialize", clientName="t")
        between = await wire.refused("fs/readFile", path="/x")
        assert between.message == "client must send initialized before using filesystem methods"
        again = await wire.refused("initialize", clientName="t")
        assert again.message == "initialize may only be sent once per connection"


async def test_a_failed_initialize_may_be_repeated(serving):
    async with serving() as server, server.connection() as wire:
        refused = await wire.refused("initialize", clientName="t", resumeSessionId="nobody")
        assert (refused.code, refused.message) == (-32600, "unknown session id nobody")
        assert (await wire.refused("initialize")).code == -32602
        await wire.open()


async def test_everything_may_be_sent_at_once(serving):
    async with serving() as server, server.connection() as wire:
        opened = await wire.ask("initialize", clientName="t")
        await wire.send({"method": "initialized"})
        started = await wire.ask(
            "process/start", processId="p", argv=["cat"], cwd="/", env={}, tty=False, pipeStdin=True
        )
        written = await wire.ask("process/write", processId="p", chunk=encoded(b"x\n"), writeId="1")
        closed = await wire.ask("process/closeStdin", processId="p")
        assert "result" in await opened
        assert (await started)["result"] == {"processId": "p", "sandboxType": "none"}
        assert (await written)["result"] == (await closed)["result"] == {"status": "accepted"}
        assert await wire.ended_process("p") == (b"x\n", 0)


MALFORMED = (
    "x",
    "[]",
    "1",
    '[{"id":1,"method":"environment/status"}]',
    '{"id":1.5,"method":"x"}',
    '{"id":null,"method":"x"}',
    '{"id":true,"method":"x"}',
    '{"id":9223372036854775808,"method":"x"}',
    '{"id":1,"method":5}',
    '{"id":1,"method":"x","method":"y"}',
    '{"id":1,"method":"x","params":{"a":1,"a":2}}',
    '{"id":1,"method":"x","params":NaN}',
    '{"id":1,"method":"x","params":"\\ud800"}',
    '{"id":1,"method":"x","trace":5}',
    "[" * 100_000,
    '{"id":1}',
)


async def test_what_is_no_message_is_answered_and_forgotten(serving):
    async with serving() as server, server.session() as wire:
        for text in MALFORMED:
            await wire.send(text)
            answer = await asyncio.wait_for(wire.unasked.get(), 20)
            assert (answer["id"], answer["error"]["code"]) == (-1, -32600), text[:100]
        assert (await wire.call("environment/status")) == {"status": "ready"}


async def test_an_empty_line_is_nothing_and_any_other_empty_message_is_malformed(serving, request):
    async with serving() as server, server.session() as wire:
        await wire.send("")
        assert (await wire.call("environment/status")) == {"status": "ready"}
        assert wire.unasked.empty() == ("lines" in request.node.name)


async def test_ids_come_back_as_they_were(serving):
    async with serving() as server, server.session() as wire:
        for identifier in ("text", "", -(1 << 63), (1 << 63) - 1):
            await wire.send({"id": identifier, "jsonrpc": 7, "method": "environment/status", "extra": 1})
            answer = await asyncio.wait_for(wire.unasked.get(), 20)
            assert answer == {"id": identifier, "result": {"status": "ready"}}


async def test_an_unknown_method_is_told_and_unknown_members_are_ignored(serving):
    async with serving() as server, server.session() as wire:
        assert (await wire.refused("nope/x")).code == -32601
        assert await wire.call("process/list", later=1) == {"processes": []}


async def test_no_more_requests_are_taken_at_once_than_the_limit_says(serving):
    async with serving(requests_at_once=2) as server, server.session() as wire:
        await wire.start("p", "cat", pipeStdin=True)
        first = await wire.ask("process/read", processId="p", waitMs=60_000)
        assert await wire.call("environment/status") == {"status": "ready"}
        second = await wire.ask("process/read", processId="p", waitMs=60_000)
        refused = await wire.refused("environment/status")
        assert (refused.code, refused.message) == (-32600, "more than 2 requests at once")
        assert not first.done()
        assert not second.done()


async def test_a_fault_of_ours_that_ends_a_connection_is_in_the_log(monkeypatch, caplog):
    async def fail(self, params):
        raise KeyError(params.client_name)

    monkeypatch.setattr(Connection, "_initialize", fail)
    near, far = MemoryChannel.pair()
    async with ExecServer() as server:
        serving = asyncio.create_task(server.serve_channel(far))
        await near.send(b'{"id":1,"method":"initialize","params":{"clientName":"t"}}')
        assert await asyncio.wait_for(near.receive(), 20) is None
        with pytest.raises(KeyError):
            await serving
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (record.message, record.peer) == ("connection failed", "memory")


async def test_an_answer_that_can_not_be_written_is_an_error_and_no_silence(installation, monkeypatch):
    async def status(self, params):
        return EnvironmentStatus.model_construct(status="\udcff")  # type: ignore[arg-type]

    monkeypatch.setattr(LocalEnvironment, "status", status)
    async with in_memory(installation) as server, server.session() as wire:
        refused = await wire.refused("environment/status")
        assert (refused.code, refused.message) == (-32603, "the server failed; see its log")


@pytest.mark.parametrize(
    "message",
    [{"method": "exit"}, {"id": 77, "result": {}}, {"id": 77, "error": {"code": 1, "message": "x"}}],
)
async def test_what_no_client_sends_ends_the_connection(message, serving):
    async with serving() as server, server.session() as wire:
        await wire.send(message)
        await asyncio.wait_for(wire.ended.wait(), 20)


async def test_initialized_before_initialize_ends_the_connection(serving):
    async with serving() as server, server.connection() as wire:
        await wire.send({"method": "initialized"})
        await asyncio.wait_for(wire.ended.wait(), 20)


async def test_what_is_asked_of_one_file_handle_is_done_in_the_order_of_the_asking(serving, tmp_path):
    async with serving() as server, server.session() as wire:
        path, size = str(tmp_path / "f"), 100_000
        for _ in range(2):
            asked = [await wire.ask("fs/open", handleId="h", path=path, mode="replace")]
            for number in range(8):
                chunk = encoded(bytes([number]) * size)
                asked.append(await wire.ask("fs/writeBlock", handleId="h", offset=0, chunk=chunk))
            asked.append(await wire.ask("fs/close", handleId="h"))
            answers = [await asyncio.wait_for(answer, 20) for answer in asked]
            assert all("result" in answer for answer in answers), answers
            assert (tmp_path / "f").read_bytes() == bytes([7]) * size


async def test_what_is_asked_of_one_file_handle_waits_for_what_was_asked_before_and_nothing_else_does(
    installation, tmp_path, monkeypatch
):
    (tmp_path / "f").write_bytes(b"content")
    go_on, opening = asyncio.Event(), LocalFiles.open

    async def slow(self, params):
        if params.handle_id == "slow":
            await go_on.wait()
        return await opening(self, params)

    monkeypatch.setattr(LocalFiles, "open", slow)
    async with in_memory(installation) as server, server.session() as wire:
        asked = [
            await wire.ask("fs/open", handleId="slow", path=str(tmp_path / "f")),
            await wire.ask("fs/readBlock", handleId="slow", offset=0, len=9),
            await wire.ask("fs/close", handleId="slow"),
        ]
        await wire.call("fs/open", handleId="other", path=str(tmp_path / "f"))
        block = await wire.call("fs/readBlock", handleId="other", offset=0, len=9)
        assert not any(answer.done() for answer in asked)
        go_on.set()
        answers = [await asyncio.wait_for(answer, 20) for answer in asked]
        assert [answer.get("result") for answer in answers] == [{"handleId": "slow"}, block, {}]
