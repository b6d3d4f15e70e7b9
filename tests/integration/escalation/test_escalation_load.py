"""Many calls at once, many execs in one: right results, and nothing that adds up."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from integration.escalation.world import MARK, ByName
from shelltool.escalation import OutputChunk
from shelltool.escalation.keeper_wire import KEEPER_NAME

SOURCE = Path(__file__).parents[3] / "src"
EXECS = 10_000
LONG_SESSION_S = 300


def test_two_hundred_calls_at_once_all_give_their_own_result(world):
    async def run():
        executor = world.executor(ByName(escalated=["printf"]))

        async def one(number):
            chunks: list[OutputChunk] = []
            command = world.command(
                f"/usr/bin/printf {number}; /bin/echo -n ' {number}'; exit {number % 100}"
            )
            result = await executor.run(command, on_output=chunks.append)
            return result.exit_code, b"".join(chunk.data for chunk in chunks)

        return await asyncio.gather(*map(one, range(200)))

    assert asyncio.run(run()) == [(number % 100, b"%d %d" % (number, number)) for number in range(200)]


def test_calls_beyond_what_runs_at_once_wait_for_their_turn(world, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.executor.CALLS_MAX", 1)

    async def run():
        executor = world.executor(ByName())
        command = world.command("echo begin >>log; /bin/true; echo end >>log")
        await asyncio.gather(*(executor.run(command, on_output=lambda _: None) for _ in range(20)))

    asyncio.run(run())
    assert (world.root / "log").read_text(encoding="utf-8") == "begin\nend\n" * 20


def test_a_call_that_gets_no_thread_fails_and_leaves_nothing(world):
    async def run():
        executor = world.executor(ByName())
        executor.threads.shutdown()
        await executor.run(world.command("sleep 1000"), on_output=lambda _: None)

    with pytest.raises(RuntimeError, match="cannot schedule new futures"):
        asyncio.run(run())
    assert not world.left()


LONG_SESSION = """
import asyncio, json, os, sys
from pathlib import Path
from shelltool.escalation import Escalate, Run, ShellCommand, ShellCommandExecutor
from shelltool.escalation.keeping import KeeperProgram

given = json.loads(sys.argv[1])
HALF = given["execs"] // 2
marks, seen = [], 0

def usage(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return {"kib": pages * os.sysconf("SC_PAGE_SIZE") // 1024, "fds": len(os.listdir(f"/proc/{pid}/fd"))}

def keepers():
    found = [os.getpid()]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return [pid for pid in found[1:] if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(given["keeper"].encode())]

class Policy:
    def decide_now(self, request):
        global seen
        seen += 1
        if seen in (HALF, 2 * HALF):
            marks.append([usage(pid) for pid in (os.getpid(), *keepers())])
        return Escalate(even_if_writable=True) if request.argv[0].endswith("sleep") else Run()

    async def decide(self, request):
        return self.decide_now(request)

async def main():
    keeper = KeeperProgram(Path(given["wrapper"]), (given["keeper"],))
    async def run(script):
        executor = ShellCommandExecutor(wrapper=Path(given["wrapper"]), policies=lambda _: Policy(), keeper=keeper)
        command = ShellCommand(argv=(given["shell"], "-c", script), workdir=Path("/"))
        result = await executor.run(command, on_output=lambda chunk: None)
        executor.threads.shutdown()  # a call's thread closes its last descriptor after it has told the result
        return result
    await run("/bin/true")
    before = usage(os.getpid())["fds"]
    globals()["seen"] = 0
    tens = given["execs"] // 10
    nine = "; ".join(["/bin/true"] * 9)
    result = await run(f"for ((i = 0; i < {tens}; i++)); do {nine}; /bin/sleep 0; done")
    after = usage(os.getpid())["fds"]
    print(json.dumps({"judged": result.judged_count, "marks": marks, "fds": [before, after]}))

asyncio.run(main())
"""


@pytest.mark.thorough
def test_ten_thousand_execs_in_one_call_leak_neither_memory_nor_descriptors(world):
    """Of the server's process and of both processes of the keeper: one exec in ten is escalated."""
    given = {
        "execs": EXECS,
        "wrapper": str(world.wrapper),
        "keeper": KEEPER_NAME,
        "shell": str(world.shell),
    }
    done = subprocess.run(
        [sys.executable, "-c", LONG_SESSION, json.dumps(given)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCE), MARK: world.mark},
        capture_output=True,
        timeout=LONG_SESSION_S,
        check=True,
    )
    seen = json.loads(done.stdout)
    halfway, finally_ = seen["marks"]
    assert seen["judged"] == EXECS
    assert len(halfway) == len(finally_) == 3
    for before, after in zip(halfway, finally_, strict=True):
        assert after["kib"] - before["kib"] <= 2 << 10
        assert after["fds"] <= before["fds"] + 1  # one that is open for as long as an exec takes
    assert seen["fds"][1] <= seen["fds"][0]
