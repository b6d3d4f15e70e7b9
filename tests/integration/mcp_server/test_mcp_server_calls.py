"""Calls of the tool as a client of the official SDK makes them: output, status, bounds, bad input, many at once."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS

from integration.mcp_server.world import call, shell

pytestmark = pytest.mark.build

SERVER = b"shelltool.mcp_server.cli"
IMPORTS = """
from shelltool.mcp_server.sdk import import_lean
import_lean()
import time, shelltool.mcp_server.server
print(time.process_time())
"""


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_tool_is_listed(world, mode):
    async def use(client):
        return (await client.list_tools()).tools, client.server_capabilities.experimental

    [tool], experimental = world.use(use, state=None, mode=mode)
    assert tool.name == "shell"
    assert tool.input_schema["required"] == ["command", "workdir"]
    assert experimental == {"codex/sandbox-state": {"version": "1.0.0"}}


def test_a_command_runs_in_its_folder_and_its_status_is_told(each_shell):
    result = each_shell.shell("pwd; /bin/echo two; exit 7")
    assert result["stdout"] == f"{each_shell.work}\ntwo\n"
    assert result["exit_code"] == 7
    assert not result["timed_out"]
    assert result["duration"]["secs"] < 60


def test_a_shell_that_a_signal_ends_is_128_and_the_signal(each_shell):
    assert each_shell.shell("kill -TERM $$; sleep 60")["exit_code"] == 143


def test_a_login_shell_is_the_default(each_shell):
    for name in (".bash_profile", ".zprofile"):
        (each_shell.root / name).write_text("echo from the profile\n", encoding="utf-8")

    async def use(client):
        plain = await shell(client, "echo x", workdir=each_shell.work)
        given = {"command": "echo x", "workdir": str(each_shell.work), "timeout_ms": 60_000}
        login = (await client.call_tool("shell", given)).structured_content
        return plain["stdout"], login["stdout"]

    plain, login = each_shell.use(use)
    assert plain == "x\n"
    assert login.endswith("from the profile\nx\n")


def test_text_and_structure_say_the_same(world):
    async def use(client):
        return await call(client, "echo é; /bin/true", workdir=world.work)

    result = world.use(use)
    assert json.loads(result.content[0].text) == result.structured_content


def test_both_streams_come_in_the_order_written_and_each_by_itself(each_shell):
    command = "for i in 1 2 3; do echo out$i; echo err$i >&2; /bin/echo OUT$i; /bin/echo ERR$i >&2; done"
    result = each_shell.shell(command)
    ordered = [f"{word}{number}" for number in (1, 2, 3) for word in ("out", "err", "OUT", "ERR")]
    assert result["output"].split() == ordered
    assert result["stdout"].split() == [word for word in ordered if word[:3].lower() == "out"]
    assert result["stderr"].split() == [word for word in ordered if word[:3].lower() == "err"]


def test_output_is_bounded_and_keeps_head_and_tail(world):
    result = world.shell("echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; echo small >&2")
    assert result["stdout"].startswith("begin\nxxx")
    assert result["stdout"].endswith("xxx\nend\n")
    assert "bytes left out ...]" in result["stdout"]
    assert len(result["stdout"]) < (1 << 20) + 100
    assert len(result["output"]) < (1 << 20) + 100
    assert result["stderr"] == "small\n"


def test_output_that_is_not_utf8_arrives_with_marks(world):
    result = world.shell(r"printf 'a\377b\0c\033'")
    assert result["stdout"] == "a\ufffdb\0c\x1b"


def test_what_was_judged_is_told(each_shell):
    each_shell.rules(
        'prefix_rule(["/bin/cat"])\nprefix_rule(["id"], "forbidden", justification="who cares")\n'
    )
    result = each_shell.shell("/bin/echo hi; /bin/cat /dev/null; /usr/bin/id; true")
    assert result["judged_count"] == 3
    echo, cat, who = result["judged"]
    assert (echo["program"], echo["argv"], echo["decision"]) == ("/bin/echo", ["/bin/echo", "hi"], "run")
    assert echo["workdir"] == str(each_shell.work)
    assert (cat["decision"], cat["outside_sandbox"]) == ("escalate", True)
    assert (who["decision"], who["reason"]) == ("deny", "Execution forbidden by policy: who cares")
    assert "Execution denied: Execution forbidden by policy: who cares" in result["stderr"]


def test_thousands_of_judged_commands_are_counted_and_some_are_shown(world):
    result = world.shell("i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done")
    assert result["judged_count"] == 300
    assert len(result["judged"]) == 100


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"workdir": "work"}, "workdir: must be an absolute path, and is 'work'"),
    ({"workdir": "/no/such/folder"}, "workdir: /no/such/folder is not a directory that exists"),
    ({"command": "a\0b"}, "command: has a NUL character in it"),
    ({"timeout_ms": -1}, "timeout_ms: "),
    ({"login": 1}, "login: "),
    ({"cwd": "/"}, "cwd: there is no such argument"),
    ({"command": "x" * 200_000}, "command: has 200000 bytes"),
]


def test_bad_input_is_a_clear_error_and_the_server_lives_on(world):
    async def use(client):
        errors = []
        for wrong, _ in BAD_INPUT:
            with pytest.raises(MCPError) as caught:
                await client.call_tool("shell", {"command": ":", "workdir": str(world.work)} | wrong)
            errors.append(caught.value)
        with pytest.raises(MCPError, match="there is no tool 'bash'"):
            await client.call_tool("bash", {})
        return errors, await shell(client, "echo alive", workdir=world.work)

    errors, last = world.use(use)
    assert [error.code for error in errors] == [INVALID_PARAMS] * len(BAD_INPUT)
    for error, (_, said) in zip(errors, BAD_INPUT, strict=True):
        assert said in error.message
    assert last["stdout"] == "alive\n"


def test_a_command_may_begin_with_a_dash_and_have_many_lines(each_shell):
    result = each_shell.shell("-no-such-program\necho line 2")
    assert result["stdout"] == "line 2\n"
    assert "-no-such-program" in result["stderr"]


def test_commands_read_nothing_from_the_servers_input(world):
    assert world.shell("cat; read x; echo $?")["stdout"] == "1\n"


@pytest.mark.parametrize("state", ["danger-full-access", "workspace-write"])
def test_200_calls_at_once_all_give_their_own_results(world, state):
    async def use(client):
        async def one(number):
            command = f"echo {number}; /bin/echo err{number} >&2; exit {number % 100}"
            return await shell(client, command, workdir=world.work)

        return await asyncio.gather(*(one(number) for number in range(200)))

    results = world.use(use, state=state)
    assert [result["stdout"] for result in results] == [f"{number}\n" for number in range(200)]
    assert [result["stderr"] for result in results] == [f"err{number}\n" for number in range(200)]
    assert [result["exit_code"] for result in results] == [number % 100 for number in range(200)]


def test_progress_is_told_while_a_command_runs(world):
    told = []
    fifo = world.fifo()

    async def use(client):
        enough = asyncio.Event()

        async def progress(passed, _total, message):
            told.append((passed, message))
            if len(told) == 2:
                enough.set()

        async def release():
            await enough.wait()
            await asyncio.to_thread(fifo.write_text, "go", encoding="utf-8")

        releasing = asyncio.create_task(release())
        given = {
            "command": "echo some; cat alive",
            "workdir": str(world.work),
            "login": False,
            "timeout_ms": 60_000,
        }
        result = await client.call_tool("shell", given, progress_callback=progress)
        await releasing
        return result.structured_content

    assert world.use(use)["stdout"] == "some\ngo"
    assert told[0][0] < told[1][0]
    assert told[1][1] == "running, 5 bytes of output"


def server_process():
    """Give the one child of this process that is an MCP server."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    (pid,) = (pid for pid in children if SERVER in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    return int(pid)


def seconds_of_work(pid):
    """Give the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fewest_descriptors(pid):
    """Count the open descriptors of a process when it has finished what it is about; bounded."""
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.05)
    return min(counts)


def test_calls_leave_no_descriptor_open_in_the_server(world):
    async def use(client):
        server = server_process()
        for _ in range(5):
            await shell(client, "/bin/true", workdir=world.work)
        before = await asyncio.to_thread(fewest_descriptors, server)
        for _ in range(30):
            await shell(client, "/bin/true | /bin/cat", workdir=world.work)
        return before, await asyncio.to_thread(fewest_descriptors, server)

    before, after = world.use(use)
    assert after <= before


def seconds_of_imports():
    """Give the processor time that it takes on this machine to import what the server needs, and to do no more."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return float(
        subprocess.run([sys.executable, "-c", IMPORTS], env=env, capture_output=True, check=True).stdout
    )


def test_until_the_server_is_ready_it_does_little_but_import(world):
    """What it imports is another test's; both together are a start of well under a second on a machine of today."""

    async def use(_client):
        return seconds_of_work(server_process()), await asyncio.to_thread(seconds_of_imports)

    assert min(work / imports for work, imports in (world.use(use, state=None) for _ in range(3))) < 1.5
