"""However a call or a session ends, no process of it is left: proved by the end of a pipe that all of them held."""

import asyncio
import json
import os
import signal
import time

import pytest
from mcp import MCPError

from integration.mcp_server.world import CONVERSATION_S, Person, call, set_state, shell, wait_until_gone
from shelltool.escalation.running_call import END_LIMIT_S

pytestmark = pytest.mark.build

# One that ignores what can be ignored, one in another session, and the shell itself.
HOLDERS = (
    "exec 9>alive; trap '' TERM HUP INT; (sleep 1000) & setsid sleep 1001 & echo begun; {escalated}sleep 1002"
)


@pytest.fixture
def pipe(world):
    """The reading end of a pipe in the work folder that commands hold open."""
    fd = os.open(world.fifo(), os.O_RDONLY | os.O_NONBLOCK)
    yield fd
    os.close(fd)


async def begun(world, pid_file="begun"):
    """Wait until a command says that it has begun."""
    deadline = time.monotonic() + CONVERSATION_S
    while not (world.work / pid_file).exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize("escalated", ["", "/bin/"], ids=["inside", "escalated"])
def test_a_timeout_gives_the_output_so_far_and_leaves_nothing(world, pipe, name, escalated):
    world.arguments = ["--shell", name]
    world.rules('prefix_rule(["/bin/sleep"])\n')
    result = world.shell(HOLDERS.format(escalated=escalated), timeout_ms=1500)
    assert result["timed_out"]
    assert result["exit_code"] == 124
    assert result["output"] == "begun\n"
    # Ended, and not given up after END_LIMIT_S.
    assert 1 <= result["duration"]["secs"] < END_LIMIT_S
    assert wait_until_gone(pipe)


def test_a_timeout_ends_what_runs_in_the_sandbox_too(world, pipe):
    result = world.shell(HOLDERS.format(escalated=""), timeout_ms=1500, state="workspace-write")
    assert (result["timed_out"], result["output"]) == (True, "begun\n")
    assert wait_until_gone(pipe)
    assert sorted(path.name for path in world.work.iterdir()) == ["alive"]


def test_a_timeout_of_nothing_is_over_at_once(world):
    result = world.shell("sleep 100", timeout_ms=0)
    assert result["timed_out"]


def test_the_deadline_does_not_run_while_a_person_is_being_asked(world):
    async def take_longer_than_the_deadline():
        await asyncio.sleep(2.5)

    person = Person(before_answering=take_longer_than_the_deadline)
    world.rules('prefix_rule(["/bin/echo"], "prompt")\n')
    result = world.shell("/bin/echo one; /bin/echo two", person=person, timeout_ms=2000)
    assert len(person.asked) == 2
    assert result["stdout"] == "one\ntwo\n"
    assert not result["timed_out"]


def test_a_cancelled_call_leaves_nothing_and_the_session_goes_on(world, pipe):
    world.rules('prefix_rule(["/bin/sleep"])\n')

    async def use(client):
        command = "touch begun; " + HOLDERS.format(escalated="/bin/")
        running = asyncio.create_task(call(client, command, workdir=world.work))
        await begun(world)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gone = await asyncio.to_thread(wait_until_gone, pipe)
        return gone, (await shell(client, "echo on", workdir=world.work))["stdout"]

    assert world.use(use) == (True, "on\n")


def test_a_cancelled_call_takes_its_question_back(world):
    world.rules('prefix_rule(["/bin/echo"], "prompt")\n')
    asked, taken_back = asyncio.Event(), asyncio.Event()

    async def wait_for_ever():
        asked.set()
        try:
            await asyncio.sleep(CONVERSATION_S)
        finally:
            taken_back.set()

    async def use(client):
        running = asyncio.create_task(call(client, "/bin/echo", workdir=world.work))
        await asked.wait()
        running.cancel()
        await taken_back.wait()
        return (await shell(client, "echo on", workdir=world.work))["stdout"]

    assert world.use(use, person=Person(before_answering=wait_for_ever)) == "on\n"


def test_a_call_that_times_out_for_the_client_leaves_nothing(world, pipe):
    async def use(client):
        command = "touch begun; " + HOLDERS.format(escalated="")
        given = {"command": command, "workdir": str(world.work), "login": False, "timeout_ms": 60_000}
        with pytest.raises(MCPError, match="timed out"):
            await client.call_tool("shell", given, read_timeout_seconds=2)
        return await asyncio.to_thread(wait_until_gone, pipe)

    assert world.use(use)


def begin(world, server, command, elicitation=None, state="danger-full-access"):
    """Speak to a server by hand until a command runs."""
    client = {"name": "raw", "version": "0"}
    sandbox = {"sandboxPolicy": {"type": state}, "sandboxCwd": str(world.work)}
    arguments = {"command": command, "workdir": str(world.work), "login": False, "timeout_ms": 600_000}
    capabilities = {} if elicitation is None else {"elicitation": elicitation}
    handshake = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": client}
    for message in (
        {"id": 1, "method": "initialize", "params": handshake},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "codex/sandbox-state/update", "params": sandbox},
        {"id": 3, "method": "tools/call", "params": {"name": "shell", "arguments": arguments}},
    ):
        server.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
    server.stdin.flush()
    asyncio.run(asyncio.wait_for(begun(world), CONVERSATION_S))


ENDINGS = ["end of input", "SIGTERM", "SIGINT", "SIGHUP"]
KILLED_S = 2.0
"""For what the server started, when nobody but its keepers can end it."""


@pytest.mark.parametrize("how", ENDINGS)
def test_a_server_that_ends_leaves_nothing(world, pipe, how):
    world.rules('prefix_rule(["/bin/sleep"])\n')
    with world.process() as server:
        begin(
            world, server, "exec 9>alive; touch begun; /bin/sleep 1000 & setsid sleep 1001 & /bin/sleep 1002"
        )
        if how == "end of input":
            server.stdin.close()
            expected = 0
        else:
            server.send_signal(signal.Signals[how])
            expected = 128 + signal.Signals[how]
        assert server.wait(CONVERSATION_S) == expected
        assert wait_until_gone(pipe)


@pytest.mark.parametrize("state", ["danger-full-access", "workspace-write"])
@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_server_that_is_killed_in_the_middle_of_an_escalation_leaves_nothing(world, pipe, name, state):
    world.arguments = ["--shell", name]
    world.rules('prefix_rule(["/bin/sh"])\n')
    escalated = "/bin/sh -c \"trap '' TERM HUP INT; touch begun; sleep 1000; sleep 1001\""
    with world.process() as server:
        begin(world, server, f"exec 9>alive; setsid sleep 1002 & sleep 1003 & {escalated}", state=state)
        server.kill()
        assert server.wait(CONVERSATION_S) == -signal.SIGKILL
        assert wait_until_gone(pipe, KILLED_S)


def test_a_server_that_is_killed_while_a_person_is_asked_leaves_nothing(world, pipe):
    world.rules('prefix_rule(["/bin/sleep"], "prompt")\n')
    with world.process() as server:
        begin(world, server, "exec 9>alive; touch begun; sleep 1000 & /bin/sleep 1001", elicitation={})
        assert b"elicitation/create" in until(server.stdout, b"elicitation/create")
        server.kill()
        assert server.wait(CONVERSATION_S) == -signal.SIGKILL
        assert wait_until_gone(pipe, KILLED_S)


def until(stream, word):
    """Read lines until one has the word, or there are no more."""
    return next((line for line in stream if word in line), b"")


def test_a_client_that_reads_nothing_can_still_be_left(world, pipe):
    with world.process() as server:
        begin(world, server, "exec 9>alive; head -c 900000 /dev/zero; touch begun")
        server.stdin.close()
        assert server.wait(CONVERSATION_S) == 0
        assert wait_until_gone(pipe)


def test_lines_that_are_no_messages_are_refused_and_the_server_lives_on(world):
    with world.process() as server:
        server.stdin.write(
            b"nonsense\n" + b"x" * (17 << 20) + b"\n" + b'{"jsonrpc":"2.0","id":9,"method":"ping"}\n'
        )
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(3)]
        server.stdin.close()
        assert server.wait(CONVERSATION_S) == 0
    assert [answer.get("error", {}).get("code") for answer in answers] == [-32700, -32700, None]
    assert answers[1]["error"]["message"] == f"a message is longer than {16 << 20} bytes"
    assert answers[2] == {"jsonrpc": "2.0", "id": 9, "result": {}}


def test_a_session_that_never_began_ends_in_order(world):
    with world.process() as server:
        server.stdin.close()
        assert server.wait(CONVERSATION_S) == 0


def test_a_new_sandbox_state_holds_for_the_calls_after_it(world):
    async def use(client):
        free = await shell(client, "touch free; echo $?", workdir=world.work)
        await set_state(client, "read-only", world.work)
        bound = await shell(client, "touch bound; echo $?", workdir=world.work)
        return free["stdout"], bound["stdout"]

    assert world.use(use) == ("0\n", "1\n")
    assert [path.name for path in world.work.iterdir()] == ["free"]
