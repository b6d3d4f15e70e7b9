"""What every client may rely on about its processes, over each transport: events, reads, writes, signals, the end."""

import asyncio
import json

from integration.exec_server.wire import encoded


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


async def test_writes_that_are_sent_at_once_are_written_in_their_order(serving):
    async with serving() as server, server.session() as wire:
        blocks = [bytes([number]) * (number * 7001 % 60_000) for number in range(60)]
        await wire.start("p", "cat", pipeStdin=True)
        answers = [
            await wire.ask("process/write", processId="p", chunk=encoded(block), writeId=f"{number}")
            for number, block in enumerate(blocks)
        ]
        answers.append(await wire.ask("process/closeStdin", processId="p"))
        assert await wire.ended_process("p") == (b"".join(blocks), 0)
        assert [(await answer)["result"]["status"] for answer in answers] == ["accepted"] * 61


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


async def test_signals_reach_the_process_group(serving):
    async with serving() as server, server.session() as wire:
        for signal, code in (("interrupt", 130), ("SIGTERM", 143), ("hup", 129), (10, 138), ("KILL", 137)):
            name = f"{signal}"
            # While dash starts a child, it loses an interrupt; so it is not there any more.
            await wire.start(name, "sh", "-c", "echo up; exec sleep 60")
            await wire.wait_for_output(name, b"up")
            assert await wire.call("process/signal", processId=name, signal=signal) == {}
            assert (await wire.ended_process(name))[1] == code
            assert (await wire.wait_for(name, "process/exited"))["signal"] == code - 128


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


async def test_an_exit_is_told_although_a_child_holds_the_output(serving):
    async with serving() as server, server.session() as wire:
        await wire.start("p", "sh", "-c", "{ read x; echo late; } <&3 3<&- & exit 4", pipeStdin=False)
        await wire.ended_process("p")
        await wire.start("q", "sh", "-c", "exec 3<&0; { read x <&3; echo late; } & exit 4", pipeStdin=True)
        await wire.wait_for("q", "process/exited")
        between = await wire.call("process/read", processId="q")
        assert (between["exited"], between["exitCode"], between["closed"]) == (True, 4, False)
        assert wire.output("q") == b""


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


async def test_a_session_does_not_see_another_ones_processes(serving):
    async with serving() as server, server.session() as one, server.session() as other:
        await one.start("p", "sleep", "60")
        assert (await other.refused("process/read", processId="p")).message == "unknown process id p"
        assert await other.call("process/terminate", processId="p") == {"running": False}
        assert await other.run("p", "true") == (b"", 0)


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
