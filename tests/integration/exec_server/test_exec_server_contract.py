"""What every client may rely on, over each transport: handshake, envelope, processes."""

import asyncio
import json

import pytest

from integration.exec_server.wire import encoded


async def test_the_answer_to_initialize_names_session_and_machine(serving):
    async with serving() as server, server.connection() as wire:
        result = await wire.open()
        assert len(result["sessionId"]) == 36
        assert result["environmentInfo"]["platformOs"] in {"linux", "macos"}
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


@pytest.mark.parametrize(
    "text",
    [
        "",
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
    ],
)
async def test_what_is_no_message_is_answered_and_forgotten(text, serving, request):
    async with serving() as server, server.session() as wire:
        if text == "" and "stdio" in request.node.name:
            pytest.skip("a blank line is nothing")
        await wire.send(text)
        answer = await asyncio.wait_for(wire.unasked.get(), 20)
        assert answer["id"] == -1
        assert answer["error"]["code"] == -32600
        assert (await wire.call("environment/status")) == {"status": "ready"}


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


async def test_a_process_tells_of_its_output_and_its_end_after_the_answer(serving):
    async with serving() as server, server.session() as wire:
        result = await wire.start("p", "sh", "-c", "echo out; echo err >&2; exit 7")
        assert result == {"processId": "p", "sandboxType": "none"}
        await wire.ended_process("p")
        assert wire.order[1] == "answer", "the answer to the start comes before what the process does"
        kinds = {params.get("stream"): params.get("chunk") for _, params in wire.events["p"]}
        assert (kinds["stdout"], kinds["stderr"]) == (encoded(b"out\n"), encoded(b"err\n"))
        exited = await wire.wait_for("p", "process/exited")
        assert (exited["exitCode"], exited["sandboxDenied"], exited["signal"]) == (7, False, None)


async def test_read_gives_what_is_retained(serving):
    async with serving() as server, server.session() as wire:
        await wire.run("p", "sh", "-c", "printf one; exec 1>&-; exit 3")
        whole = await wire.call("process/read", processId="p")
        assert [chunk["chunk"] for chunk in whole["chunks"]] == [encoded(b"one")]
        assert (whole["nextSeq"], whole["exited"], whole["exitCode"], whole["closed"]) == (4, True, 3, True)
        assert (whole["failure"], whole["sandboxDenied"], whole["droppedBytes"]) == (None, False, 0)
        bounded = await wire.call("process/read", processId="p", maxBytes=0)
        assert (len(bounded["chunks"]), bounded["nextSeq"]) == (1, 2)
        rest = await wire.call("process/read", processId="p", afterSeq=1, maxBytes=10, waitMs=5000)
        assert (rest["chunks"], rest["nextSeq"]) == ([], 4)
        assert (await wire.refused("process/read", processId="other")).message == "unknown process id other"


async def test_a_read_waits_for_news_and_nothing_waits_for_the_read(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "cat", pipeStdin=True)
        read = await wire.ask("process/read", processId="p", waitMs=60_000)
        assert await wire.call("environment/status") == {"status": "ready"}
        assert not read.done()
        await wire.call("process/write", processId="p", chunk=encoded(b"now"), writeId="1")
        answer = await asyncio.wait_for(read, 20)
        assert answer["result"]["chunks"][0]["chunk"] == encoded(b"now")
        waiting = await wire.ask("process/read", processId="p", afterSeq=1, waitMs=60_000)
        assert await wire.call("process/terminate", processId="p") == {"running": True}
        assert (await asyncio.wait_for(waiting, 20))["result"]["exitCode"] == 137


async def test_a_write_with_a_known_id_is_not_written_again(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "cat", pipeStdin=True)
        for chunk in (b"a", b"b"):
            answer = await wire.call("process/write", processId="p", chunk=encoded(chunk), writeId="1")
            assert answer == {"status": "accepted"}
        await wire.call("process/write", processId="p", chunk=encoded(b"c"))
        await wire.call("process/closeStdin", processId="p")
        assert await wire.ended_process("p") == (b"ac", 0)
        late = await wire.call("process/write", processId="p", chunk=encoded(b"d"), writeId="2")
        assert late == {"status": "stdinClosed"}
        assert (await wire.refused("process/write", processId="p", chunk="!", writeId="3")).code == -32602
        assert (await wire.refused("process/write", processId="p", chunk="", writeId="")).code == -32602


async def test_writes_say_when_there_is_nobody_to_read_them(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sleep", "60")
        assert await wire.call("process/write", processId="p", chunk="", writeId="1") == {
            "status": "stdinClosed"
        }
        assert await wire.call("process/write", processId="q", chunk="", writeId="1") == {
            "status": "unknownProcess"
        }
        assert await wire.call("process/closeStdin", processId="q") == {"status": "unknownProcess"}


async def test_a_process_that_reads_nothing_holds_up_no_one(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sleep", "60", pipeStdin=True)
        block = encoded(bytes(1 << 20))
        writes = [
            await wire.ask("process/write", processId="p", chunk=block, writeId=str(number))
            for number in range(40)
        ]
        answered = [await asyncio.wait_for(writes[number], 20) for number in (0, 39)]
        assert answered[0]["result"] == {"status": "accepted"}
        assert "bytes of its standard input wait already" in answered[1]["error"]["message"]
        assert await wire.call("process/terminate", processId="p") == {"running": True}
        assert (await wire.ended_process("p"))[1] == 137
        async with asyncio.timeout(20):
            answers = [await write for write in writes[:30]]
        assert all("result" in answer for answer in answers)


@pytest.mark.parametrize(
    ("signal", "code"), [("interrupt", 130), ("SIGTERM", 143), ("hup", 129), (10, 138), ("KILL", 137)]
)
async def test_signals_reach_the_process_group(signal, code, serving):
    async with serving() as server, server.session() as wire:
        # While dash starts a child, it loses an interrupt; so it is not there any more.
        await wire.start("p", "sh", "-c", "echo up; exec sleep 60")
        await wire.wait_for_output("p", b"up")
        assert await wire.call("process/signal", processId="p", signal=signal) == {}
        assert (await wire.ended_process("p"))[1] == code
        assert (await wire.wait_for("p", "process/exited"))["signal"] == code - 128


async def test_signals_that_do_not_exist_are_refused_and_unknown_processes_are_not(serving):
    async with serving() as server, server.session() as wire:
        assert (await wire.refused("process/signal", processId="p", signal="SIGNOPE")).code == -32602
        assert (await wire.refused("process/signal", processId="p", signal=999)).code == -32602
        assert await wire.call("process/signal", processId="p", signal="interrupt") == {}
        assert await wire.call("process/terminate", processId="p") == {"running": False}


async def test_terminate_gives_a_process_the_grace_it_is_told(serving):
    async with serving() as server, server.session() as wire:
        await wire.start(
            "p", "sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done"
        )
        await wire.wait_for_output("p", b"up")
        await wire.call("process/terminate", processId="p", graceMs=20_000)
        output, code = await wire.ended_process("p")
        assert (output.endswith(b"bye\n"), code) == (True, 5)
        await wire.start("q", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done")
        await wire.wait_for_output("q", b"up")
        await wire.call("process/terminate", processId="q", graceMs=50)
        assert (await wire.ended_process("q"))[1] == 137
        assert await wire.call("process/terminate", processId="q") == {"running": False}


async def test_a_terminal_has_a_size_and_can_get_another(serving):
    async with serving() as server, server.session() as wire:
        script = "stty size; trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.01; done"
        await wire.start("p", "sh", "-c", script, tty=True)
        await wire.wait_for_output("p", b"up")
        assert await wire.call("process/resize", processId="p", rows=50, columns=132) == {}
        output, code = await wire.ended_process("p")
        assert (output, code) == (b"24 80\r\nup\r\n50 132\r\n", 0)
        sized = await wire.run("q", "stty", "size", tty=True, size={"rows": 3, "columns": 7})
        assert sized == (b"3 7\r\n", 0)


async def test_only_terminals_are_resized(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sleep", "60", pipeStdin=True)
        refused = await wire.refused("process/resize", processId="p", rows=1, columns=1)
        assert refused.message == "process p has no terminal"
        assert (await wire.refused("process/resize", processId="p", rows=0, columns=1)).code == -32602


async def test_a_terminal_is_the_controlling_one_and_ends_at_end_of_file(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "test -t 0 && : >/dev/tty && echo yes; cat", tty=True)
        await wire.wait_for_output("p", b"yes")
        await wire.call("process/closeStdin", processId="p")
        output, code = await wire.ended_process("p")
        assert (output, code) == (b"yes\r\n", 0)
        assert {params.get("stream") for name, params in wire.events["p"] if name == "process/output"} == {
            "pty"
        }


async def test_ctrl_c_on_a_terminal_interrupts(serving):
    async with serving() as server, server.session() as wire:
        # One process all along: a bash interrupted while it forks goes on, when the child was not.
        await wire.start("p", "sh", "-c", "echo up; exec cat", tty=True)
        await wire.wait_for_output("p", b"up")
        await wire.call("process/write", processId="p", chunk=encoded(b"\x03"), writeId="1")
        assert (await wire.ended_process("p"))[1] == 130


async def test_an_exit_is_told_although_a_child_holds_the_output(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "{ read x; echo late; } <&3 3<&- & exit 4", pipeStdin=False)
        await wire.ended_process("p")
        await wire.start("q", "sh", "-c", "exec 3<&0; { read x <&3; echo late; } & exit 4", pipeStdin=True)
        await wire.wait_for("q", "process/exited")
        between = await wire.call("process/read", processId="q")
        assert (between["exited"], between["exitCode"], between["closed"]) == (True, 4, False)
        assert wire.output("q") == b""


async def test_a_process_that_can_not_be_started_leaves_its_id_free(serving, tmp_path):
    async with serving() as server, server.session() as wire:
        missing = await wire.refused(
            "process/start", processId="p", argv=["nope"], cwd="/", env={}, tty=False
        )
        assert (missing.code, missing.message) == (-32603, "No such file or directory (os error 2)")
        assert missing.data["errno"] == 2
        (tmp_path / "file").write_text("x", encoding="utf-8")
        given = {"processId": "p", "env": {}, "tty": False}
        plain = await wire.refused("process/start", argv=[str(tmp_path / "file")], cwd="/", **given)
        assert (plain.code, plain.message) == (-32603, "Permission denied (os error 13)")
        folder = await wire.refused("process/start", argv=["true"], cwd="/nope", **given)
        assert (folder.message, folder.data["path"]) == (
            "No such file or directory (os error 2)",
            "file:///nope",
        )
        assert (await wire.refused("process/start", argv=[], cwd="/", **given)).code == -32602
        assert (await wire.refused("process/start", argv=["true"], cwd="x", **given)).code == -32602
        nul = await wire.refused("process/start", argv=["true", "a\0b"], cwd="/", **given)
        assert nul.message == "nul byte found in provided data"
        assert await wire.run("p", "true") == (b"", 0)
        taken = await wire.refused("process/start", processId="p", argv=["true"], cwd="/", env={}, tty=False)
        assert (taken.code, taken.message) == (-32600, "process p already exists")


async def test_a_program_is_looked_up_in_the_childs_path_only(serving, tmp_path):
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found $0 $1\n", encoding="utf-8")
    program.chmod(0o755)
    async with serving() as server, server.session() as wire:
        found = await wire.run("a", "only-here", "x", env={"PATH": f"/nope:{tmp_path}"})
        assert found == (f"found {program} x\n".encode(), 0)
        relative = await wire.run("b", "only-here", cwd=f"file://{tmp_path}", env={"PATH": "."})
        assert relative == (b"found ./only-here\n", 0)
        dotted = await wire.run("c", "./only-here", cwd=str(tmp_path))
        assert dotted[1] == 0
        named = await wire.run("d", "sh", "-c", "echo $0", arg0="other", env={})
        assert named == (b"other\n", 0)


async def test_the_environment_is_just_what_was_computed(serving):
    async with serving() as server, server.session() as wire:
        assert await wire.run("a", "/usr/bin/env", env={"A": "1"}) == (b"A=1\n", 0)
        policy = {"inherit": "none", "ignoreDefaultExcludes": False, "exclude": [], "includeOnly": []}
        output, _ = await wire.run(
            "b", "/usr/bin/env", env={"A": "2"}, envPolicy={**policy, "set": {"B": "3"}}
        )
        assert sorted(output.split()) == [b"A=2", b"B=3"]
        incomplete = await wire.refused(
            "process/start",
            processId="c",
            argv=["true"],
            cwd="/",
            env={},
            tty=False,
            envPolicy={"inherit": "all"},
        )
        assert incomplete.code == -32602


async def test_processes_are_listed_while_they_are_known(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("long", "sleep", "60")
        await wire.run("short", "sh", "-c", "printf 12345; exit 2")
        listed = (await wire.call("process/list"))["processes"]
        assert [item["processId"] for item in listed] == ["long", "short"]
        assert listed[0]["pid"] > 1
        assert listed[0]["exited"] is False
        expected = {
            "exitCode": 2,
            "closed": True,
            "lastSeq": 3,
            "retainedBytes": 5,
            "argv": ["sh", "-c", "printf 12345; exit 2"],
        }
        assert {name: listed[1][name] for name in expected} == expected


async def test_a_session_does_not_see_another_ones_processes(serving, request):
    if "stdio" in request.node.name:
        pytest.skip("a server on stdio has one session")
    async with serving() as server, server.session() as one, server.session() as other:
        await one.start("p", "sleep", "60")
        assert (await other.refused("process/read", processId="p")).message == "unknown process id p"
        assert await other.call("process/terminate", processId="p") == {"running": False}
        assert await other.run("p", "true") == (b"", 0)


async def test_paths_come_as_uris_and_as_they_are(serving, tmp_path):
    odd = tmp_path / "a b#c%20?"
    odd.mkdir()
    async with serving() as server, server.session() as wire:
        native = await wire.run("a", "pwd", cwd=str(odd))
        uri = await wire.run("b", "pwd", cwd=odd.as_uri())
        assert native == uri == (f"{odd}\n".encode(), 0)
        for bad in (
            "http://x/",
            "file://elsewhere/x",
            "file:///a?b",
            "file:///a#b",
            "file:///a%00b",
            "",
            "~",
        ):
            refused = await wire.refused(
                "process/start", processId="c", argv=["true"], cwd=bad, env={}, tty=False
            )
            assert refused.code == -32602, bad


async def test_output_beyond_the_limit_is_dropped_and_told(serving):
    async with serving(retained_bytes=10_000) as server, server.session() as wire:
        await wire.run("p", "sh", "-c", "head -c 100000 /dev/zero")
        result = await wire.call("process/read", processId="p")
        kept = sum(len(json.dumps(chunk["chunk"])) for chunk in result["chunks"])
        assert kept < 16_000
        assert 90_000 <= result["droppedBytes"] < 100_000
        assert result["nextSeq"] == (await wire.wait_for("p", "process/closed"))["seq"] + 1


async def test_a_finished_process_is_forgotten_after_its_time(serving):
    async with serving(retention_s=0.2) as server, server.session() as wire:
        await wire.run("p", "true")
        async with asyncio.timeout(20):
            while (await wire.call("process/list"))["processes"]:
                await wire.call("environment/status")
        wire.events.clear()
        assert await wire.run("p", "true") == (b"", 0)
