"""When a call ends, is over its time or cancelled, no process that it started is left: with both keepers.

Every `world` also checks this at the end of its test, by a mark in the environment of all its processes.
"""

import asyncio
import time

import pytest

from integration.escalation.world import ByName, HeldTime, Waiting
from shelltool.escalation import Call, Run
from zig import compile_with_zig

STUBBORN = "(trap '' TERM HUP INT; sleep 1000; :) & "
DOUBLE_FORK = "(setsid setsid sleep 1000 &) ; (setsid bash -c 'trap \"\" TERM; sleep 1001; :' &) ; "


@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000 &",
        "setsid sleep 1000 &",
        DOUBLE_FORK,
        STUBBORN,
        "nohup sleep 1000 >/dev/null 2>&1 </dev/null & disown",
        "coproc sleep 1000",
        "sleep 1000 | sleep 1001 &",
        "(kill -STOP $BASHPID; sleep 1000) &",
        "(exec 2>&- >&-; sleep 1000) &",
        "for i in {1..30}; do (sleep 1000; sleep 1001) & done",
        'bash -c \'bash -c "bash -c \\"sleep 1000; :\\"; :" ; :\' &',
    ],
)
def test_what_a_script_leaves_running_is_ended_with_it(kept, script):
    done = kept.run(f"{script}\necho done")
    assert done.stdout == b"done\n"
    assert not kept.left()


PHOENIX = """
#include <unistd.h>
int main(void) { for (;;) { pid_t pid = fork(); if (pid != 0) _exit(0); } }
"""


@pytest.fixture
def phoenix(kept):
    """Compile a program that lives on in its children, each of which takes microseconds."""
    source = kept.put("phoenix.c", PHOENIX)
    compile_with_zig("x86_64-linux-musl", source, kept.root / "phoenix", "-O1", "-static", "-s")


@pytest.mark.usefixtures("phoenix")
def test_a_process_that_forks_away_from_every_signal_is_caught(kept):
    """Each of its lives is shorter than a look at the process table takes."""
    kept.run("./phoenix & echo done")
    assert not kept.left()


def test_a_bomb_is_defused(world):
    world.put(
        "bomb", "#!/usr/bin/python3 -IS\nimport os,time\nfor _ in range(6): os.fork()\ntime.sleep(1000)\n"
    )
    world.run("./bomb & ./bomb & sleep 0.1; echo done")
    assert not world.left()


def test_escalated_commands_and_their_children_are_ended_too(kept):
    kept.put("prog", f"#!/bin/bash\n{DOUBLE_FORK} {STUBBORN} sleep 1002 & echo started\n")
    done = kept.run("./prog; ./prog & sleep 0.2", policy=ByName(escalated=["prog"]))
    assert done.stdout == b"started\nstarted\n"
    assert not kept.left()


def test_a_call_that_times_out_gives_what_was_written_and_leaves_nothing(kept):
    begun = time.monotonic()
    done = kept.run(
        f"echo before; {DOUBLE_FORK} {STUBBORN} sleep 1000; echo after",
        held=HeldTime(b"before\n"),
        timeout_s=0.1,
    )
    assert (done.result.timed_out, done.result.exit_code, done.stdout) == (True, 124, b"before\n")
    assert time.monotonic() - begun < 5
    assert not kept.left()


def test_a_call_that_times_out_in_an_escalated_command_leaves_nothing(kept):
    kept.put("prog", f"#!/bin/bash\necho inside; {STUBBORN} {DOUBLE_FORK} sleep 30\n")
    done = kept.run(
        "echo before; ./prog; echo after",
        policy=ByName(escalated=["prog"]),
        held=HeldTime(b"inside\n"),
        timeout_s=0.1,
    )
    assert (done.result.timed_out, done.stdout) == (True, b"before\ninside\n")
    assert not kept.left()


def test_a_well_behaved_command_may_tidy_up_when_its_time_is_over(kept):
    done = kept.run(
        "trap 'echo tidied; exit' TERM; echo ready; while :; do sleep 0.01; done",
        held=HeldTime(b"ready\n"),
        timeout_s=0.1,
    )
    assert done.stdout == b"ready\ntidied\n"


def test_the_time_of_a_decision_in_which_a_person_is_asked_does_not_count(world):
    holder: list[Call] = []

    class Asking:
        async def decide(self, _request):
            with holder[0].stopwatch.pause():
                await asyncio.sleep(0.6)
            return Run()

    def make(call):
        holder.append(call)
        return Asking()

    async def run():
        executor = world.executor(ByName())
        executor.policies = make
        return await executor.run(world.command("/bin/true", timeout_s=0.4), on_output=lambda _: None)

    result = asyncio.run(run())
    assert not result.timed_out
    assert result.duration_s < 0.4


def test_a_decision_that_takes_too_long_times_out(world):
    held = HeldTime()

    async def decide(request):
        held.begin()
        await asyncio.Event().wait()

    done = world.run("id", policy=Waiting(decide), held=held, timeout_s=0.1)
    assert done.result.timed_out
    assert done.output == b""


@pytest.mark.parametrize("script", ["sleep 1000", f"{DOUBLE_FORK} {STUBBORN} ./prog"])
def test_a_cancelled_call_leaves_nothing(kept, script):
    kept.put("prog", f"#!/bin/bash\n: >started\n{STUBBORN} sleep 1000\n")
    ready = asyncio.Event()

    async def run():
        command = kept.command(f"echo ready; {script}")
        policy = ByName(escalated=["prog"])
        call = asyncio.create_task(kept.executor(policy).run(command, on_output=lambda _: ready.set()))
        await ready.wait()
        call.cancel()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(run())
    assert not kept.left()


def test_a_call_that_is_cancelled_before_it_began_leaves_nothing(kept):
    async def run():
        call = asyncio.create_task(kept.executor(ByName()).run(kept.command("sleep 1000"), on_output=print))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(run())
    assert not kept.left()


def test_a_pending_decision_is_cancelled_with_its_call(world):
    cancelled, held = asyncio.Event(), HeldTime()

    async def decide(request):
        held.begin()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    done = world.run("id", policy=Waiting(decide), held=held, timeout_s=0.1)
    assert done.result.timed_out
    assert cancelled.is_set()


def test_a_pending_decision_is_cancelled_when_nobody_waits_for_it(world):
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def decide(request):
        if request.argv[0] == "id":
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        await {"uname": asked, "whoami": cancelled}[request.argv[0]].wait()
        return Run()

    done = world.run("id & uname; kill -KILL $!; whoami", policy=Waiting(decide), timeout_s=20)
    assert done.stdout.startswith(b"Linux\n")
    assert not done.result.timed_out
