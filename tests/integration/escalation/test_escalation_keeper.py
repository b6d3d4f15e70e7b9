"""Attacks on the keeper of processes, and the death of the server that it works for: with both keepers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.escalation.world import MARK, World, gone_within, marked_processes
from shelltool.escalation.keeping import Keeper, KeeperProgram

STUBBORN = "(trap '' TERM HUP INT; sleep 1000; :) & "
DOUBLE_FORK = "(setsid setsid sleep 1000 &) ; (setsid bash -c 'trap \"\" TERM; sleep 1001; :' &) ; "


def test_a_script_that_kills_its_keeper_takes_all_with_it(kept):
    done = kept.run(f"{DOUBLE_FORK} {STUBBORN} kill -KILL $PPID; sleep 1000")
    assert done.result.exit_code == 137
    assert not kept.left()


def test_a_script_that_kills_the_keepers_guard_is_still_kept(kept):
    done = kept.run(f"{DOUBLE_FORK} {STUBBORN} kill -KILL $(ps -o ppid= -p $PPID); echo after")
    assert (done.result.exit_code, done.stdout) == (0, b"after\n")
    assert not kept.left()


def test_a_script_that_stops_its_keeper_is_ended_all_the_same(world, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.running_call.END_LIMIT_S", 0.5)
    done = world.run("sleep 1000 & kill -STOP $PPID; sleep 1000", timeout_s=0.3)
    assert done.result.timed_out
    assert gone_within(world.mark, 5)


def test_a_call_whose_script_stops_its_keeper_goes_on(kept):
    """Its guard continues it."""
    done = kept.run("kill -STOP $PPID; echo after; /bin/echo more", timeout_s=20)
    assert (done.result.timed_out, done.stdout) == (False, b"after\nmore\n")


def test_a_call_ends_although_its_keeper_can_not_be_finished(world, monkeypatch):
    finish = Keeper.finish

    def fail_at_the_end(keeper):
        finish(keeper)
        raise OSError("no")

    monkeypatch.setattr(Keeper, "finish", fail_at_the_end)
    monkeypatch.setattr("shelltool.escalation.running_call.END_LIMIT_S", 1)
    assert world.run("kill -KILL $PPID; sleep 1000").result.exit_code == 137


def test_a_keeper_that_does_not_start_is_reported(world):
    world.keeper = KeeperProgram(Path("/no/such/keeper"))
    with pytest.raises(Exception, match="/no/such/keeper: the keeper of processes does not start"):
        world.run(":")


def test_the_servers_own_descriptors_are_not_inherited(kept):
    fd = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        done = kept.run("ls /proc/self/fd")
    finally:
        os.close(fd)
    assert set(done.stdout.split()) == {b"0", b"1", b"2", b"3", b"172"}


SERVER = """
import asyncio, json, os, sys
from pathlib import Path
from shelltool.escalation import Escalate, Run, Sandbox, ShellCommand, ShellCommandExecutor
from shelltool.escalation.keeping import Keeper, KeeperProgram

given = json.loads(sys.argv[1])

class Policy:
    async def decide(self, request):
        if request.argv[0] == "asks":
            print("asking", flush=True)
            await asyncio.Event().wait()
        return Escalate(even_if_writable=True) if request.argv[0].endswith("prog") else Run()

async def main():
    keeper = KeeperProgram(Path(given["keeper"][0]), tuple(given["keeper"][1]))
    executor = ShellCommandExecutor(wrapper=Path(given["wrapper"]), policies=lambda _: Policy(), keeper=keeper)
    command = ShellCommand(argv=(given["shell"], "-c", given["script"]), workdir=Path(given["root"]))
    await executor.run(command, on_output=lambda chunk: print(chunk.data.decode(), end="", flush=True))

asyncio.run(main())
"""


@pytest.fixture
def served(kept) -> Iterator[tuple[World, subprocess.Popen[str]]]:
    """A server in a process of its own that is in the middle of everything."""
    kept.put("prog", f"#!/bin/bash\necho escalated\n{DOUBLE_FORK} {STUBBORN} sleep 1003\n")
    os.symlink("/bin/true", kept.root / "asks")
    script = f"{DOUBLE_FORK} {STUBBORN} PATH=.:$PATH; asks & ./prog"
    given = {
        "keeper": [str(kept.keeper.path), kept.keeper.argv],
        "wrapper": str(kept.wrapper),
        "shell": str(kept.shell),
        "script": script,
        "root": str(kept.root),
    }
    source = Path(__file__).parents[3] / "src"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, json.dumps(given)],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(source), MARK: kept.mark},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    with server:
        lines = {server.stdout.readline() for _ in range(2)}
        assert lines == {"asking\n", "escalated\n"}
        yield kept, server
        server.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_when_the_server_dies_nothing_is_left_within_two_seconds(served, number):
    world, server = served
    assert len(marked_processes(world.mark)) > 5
    server.send_signal(number)
    server.wait(10)
    assert gone_within(world.mark, 2)


def test_when_the_server_is_told_to_end_nothing_is_left(served):
    world, server = served
    server.send_signal(signal.SIGINT)
    server.wait(10)
    assert gone_within(world.mark, 2)
