"""What is left when a sandbox ends, however it ends: no process, no placeholder, and everything of the user's."""

import fcntl
import os
import signal
import subprocess
import sys

from integration.sandbox.waiting import until
from integration.sandbox.watching import (
    SLEEP,
    finish,
    guards,
    marker_of,
    placeholders,
    processes_with,
    program_of,
    started,
)
from integration.sandbox.world import DEADLINE_S, World
from shelltool.sandbox import OpKind, sweep
from shelltool.sandbox.placeholders import PLACEHOLDER_TIME
from shelltool.sandbox.survey import PROTECTED_NAMES


def test_when_bubblewrap_is_killed_nothing_is_left(mounts: World):
    marker = marker_of(mounts)
    plan = mounts.plan()
    child = started(mounts.start(f"setsid sleep {marker} & echo ready; exec sleep {marker}", plan))
    assert placeholders(mounts) == sorted(PROTECTED_NAMES)
    finish(child)
    until(lambda: not processes_with(marker), "processes were left")
    until(lambda: placeholders(mounts) == [], "placeholders were left")


def test_when_whoever_started_it_is_killed_nothing_is_left(own_world: World):
    world = own_world
    if not world.bwrap:
        world.put("ws/sub/file")
    marker = marker_of(world)
    spec = world.spec(f"echo ready; exec sleep {marker}", world.plan())
    code = "import subprocess, sys; subprocess.run(sys.argv[1:], start_new_session=True)"
    server = started(
        subprocess.Popen([sys.executable, "-c", code, *spec.argv], cwd=spec.cwd, stdout=subprocess.PIPE)
    )
    inside = processes_with(marker)
    finish(server)
    if world.bwrap:
        until(lambda: not processes_with(marker), "processes were left")
        until(lambda: placeholders(world) == [], "placeholders were left")
    for pid in [pid for pid in processes_with(marker) if pid in inside]:
        os.kill(
            pid, signal.SIGKILL
        )  # Landlock has no way to end it; whoever started it has (docs/sandbox.md)


def test_background_processes_end_with_the_command(mounts: World):
    marker = marker_of(mounts)
    mounts.output(f"setsid sleep {marker} >/dev/null 2>&1 & sleep 0")
    until(lambda: not processes_with(marker), "processes were left")


def test_a_placeholder_is_kept_while_any_sandbox_needs_it(mounts: World):
    plan = mounts.plan()
    flag = mounts.outside / "flag"
    first, second = (started(mounts.start(f"echo ready; {SLEEP}", plan)) for _ in range(2))
    third = started(
        mounts.start(f"echo ready; until test -e {flag}; do :; done; mkdir .git && echo created", plan)
    )
    finish(first)
    finish(second)
    try:
        assert sweep(plan.paths(OpKind.RESERVED), deadline_s=0.2) == list(plan.paths(OpKind.RESERVED))
        assert placeholders(mounts) == sorted(PROTECTED_NAMES)
    finally:
        flag.touch()
        out = third.communicate(timeout=DEADLINE_S)[0]
    assert b"File exists" in out
    assert b"created" not in out
    until(lambda: placeholders(mounts) == [], "placeholders were left")


def test_the_guard_waits_for_the_last_process_in_the_sandbox(mounts: World):
    """A process that creates the name as fast as it can must not find the moment in which it is free."""
    racer = "while :; do mkdir .git/x .git .codex 2>/dev/null && touch @root@/tmp/won; done"
    plan = mounts.plan(writable_roots=[str(mounts.root / "tmp")])
    for _ in range(5):
        child = started(mounts.start(f"({racer}) & ({racer}) & echo ready; {SLEEP}", plan))
        finish(child)
        until(lambda: placeholders(mounts) == [], f"left: {placeholders(mounts)}")
        mounts.run(f"({racer}) & ({racer}) & sleep 0.05", plan)
        until(lambda: placeholders(mounts) == [], f"left: {placeholders(mounts)}")
    assert not (mounts.root / "tmp/won").exists()


def test_what_is_created_outside_meanwhile_stays_and_can_only_be_read_inside(mounts: World):
    """As after an escalated `git init`."""
    plan = mounts.plan()
    made = mounts.put("made", "made outside\n")
    child = started(
        mounts.start(
            "echo ready; while ! cat .git/config 2>/dev/null; do :; done; echo x > .git/config", plan
        )
    )
    # Whole and the user's from its first moment on: the command does not wait for more.
    made.rename(mounts.ws / ".git/config")
    out = child.communicate(timeout=DEADLINE_S)[0]
    assert out.startswith(b"made outside\n")
    assert b"Read-only file system" in out
    until(lambda: placeholders(mounts) == [".git"], "the other placeholders were left")
    assert (mounts.ws / ".git/config").read_text(encoding="utf-8") == "made outside\n"


def test_an_empty_folder_of_the_users_is_protected_and_stays(mounts: World):
    mounts.put("ws/.git/file").unlink()
    mounts.fails("mkdir .git/objects")
    until(lambda: placeholders(mounts) == [".git"], "it was removed, or the others were not")


def test_what_a_killed_guard_left_can_be_swept_away(mounts: World):
    plan = mounts.plan()
    before = guards()
    child = started(mounts.start(f"echo ready; {SLEEP}", plan))
    ours = [guard for guard in guards() - before if program_of(guard) == os.fspath(mounts.engine.programs[0])]
    assert len(ours) == 1
    os.kill(ours[0], signal.SIGKILL)
    finish(child)
    assert int((mounts.ws / ".git").stat().st_mtime) == PLACEHOLDER_TIME
    assert sweep(plan.paths(OpKind.RESERVED)) == []
    assert placeholders(mounts) == []


def test_what_a_killed_guard_left_goes_with_the_next_sandbox(mounts: World):
    (mounts.ws / ".git").mkdir()
    os.utime(mounts.ws / ".git", (PLACEHOLDER_TIME, PLACEHOLDER_TIME))
    mounts.own()
    mounts.fails("mkdir .git/objects")
    until(lambda: placeholders(mounts) == [], "placeholders were left")


def test_a_name_that_can_not_be_kept_free_keeps_the_command_from_running(mounts: World):
    plan = mounts.plan()
    held = mounts.ws / ".git"
    held.symlink_to("elsewhere")  # after the plan was made
    done = mounts.run("echo ran", plan)
    assert (done.status, done.stdout) == (126, b"")
    assert done.stderr.startswith(b"codex-linux-sandbox: cannot keep ")
    until(lambda: placeholders(mounts) == [".git"], "placeholders were left")
    held.unlink()
    held.mkdir()
    mounts.own()
    fd = os.open(held, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert mounts.run("echo ran", plan).status == 126
    finally:
        os.close(fd)
