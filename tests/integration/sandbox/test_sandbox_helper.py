"""The helper itself: sandboxes in sandboxes, the choice of an engine, wrong command lines, memory faults."""

import errno
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from excuses import machine
from integration.sandbox.conftest import NATIVE, compile_c
from integration.sandbox.watching import NOT_FOUND, run_command
from integration.sandbox.world import DEADLINE_S, FULL_ACCESS, READ_ONLY, World
from shelltool.sandbox import SandboxPlan


def test_a_sandbox_in_a_sandbox_works_and_is_the_tighter_of_the_two(world: World, helper: Path):
    world.put("ws/sub/file")
    inner = f"{helper} --network off --landlock --read / --write $PWD/sub"
    world.output(f"{inner} -- /bin/sh -c 'echo x > sub/new'")
    world.fails(f"{inner} -- /bin/sh -c 'echo x > other'")
    outer = f"{helper} --network on --landlock --read / --write / --device /dev"
    assert (
        "Permission denied" in world.fails(f"{outer} -- /bin/sh -c 'echo x > ../outside/new'") or world.bwrap
    )
    assert world.output(f"exec {outer} -- @root@/bin/probe tcp 1") == str(errno.EPERM)


CHOOSE = (
    "import sys; from shelltool.sandbox import choose_engine; print(choose_engine(helper=sys.argv[1]).name)"
)
CHOOSE_ENV = {
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3] / "src"), *sys.path[1:]]),
    "PYTHONDONTWRITEBYTECODE": "1",
}


def test_inside_a_sandbox_the_choice_falls_on_landlock(own_world: World, helper: Path):
    own_world.env |= CHOOSE_ENV
    assert own_world.output(f"exec {sys.executable} -c '{CHOOSE}' {helper}", READ_ONLY) == "landlock"


def test_the_choice_of_an_unprivileged_user_works_too(nobodys_world: World, helper: Path):
    nobodys_world.env |= CHOOSE_ENV
    for python in (sys.executable, "/usr/bin/python3"):
        if nobodys_world.run(f"exec {python} -c 'import pydantic'", FULL_ACCESS).status == 0:
            chosen = nobodys_world.output(f"exec {python} -c '{CHOOSE}' {helper}", FULL_ACCESS)
            assert chosen == "bubblewrap"
            return
    pytest.skip(machine("nobody can't run this Python, or one like it"))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "no command"),
        ("-- /bin/echo ran", "--network is missing"),
        ("--network off -- /bin/echo ran", "nothing to confine with"),
        ("--network off --landlock /bin/echo ran", "unknown option|takes an absolute path|needs a value"),
        ("--network maybe --landlock -- /bin/echo ran", "take `off` or `on`"),
        ("--network off --landlock --", "no command"),
        ("--network off --landlock -- echo ran", "named by its path"),
        ("--network off --landlock --read relative -- /bin/echo ran", "absolute path"),
        ("--network off --landlock --execute / -- /bin/echo ran", "unknown option"),
        ("--network off --landlock --read", "needs a value"),
        ("--network off --read / -- /bin/echo ran", "rules need --landlock"),
        ("--network off --placeholder /x -- /bin/echo ran", "--placeholder needs --bubblewrap"),
        ("--network off --bubblewrap 0 -- /bin/echo ran", "absolute path"),
        ("--network off --bubblewrap 9 /usr/bin/bwrap -- /bin/echo ran", "fewer than 9"),
        ("--network off --bubblewrap -1 /usr/bin/bwrap -- /bin/echo ran", "not a number"),
        ("--network off --bubblewrap 1 bwrap -- /bin/echo ran", "absolute path"),
        ("--network off --bubblewrap 1 /nowhere/bwrap -- /bin/echo ran", "/nowhere/bwrap: No such file"),
        ("--resume 0 0 0 0 --network off -- /bin/echo ran", "no system call filter"),
        ("--resume x 0 0 0 --network off -- /bin/echo ran", "not a number"),
        ("--filter", "needs a value"),
        ("--filter maybe", "take `off` or `on`"),
    ],
)
def test_the_helper_runs_nothing_when_it_is_called_wrongly(helper: Path, arguments, complaint):
    done = subprocess.run(
        [helper, *arguments.split()], capture_output=True, timeout=DEADLINE_S, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("codex-linux-sandbox: ")
    assert any(part in done.stderr for part in complaint.split("|")), done.stderr


def test_the_helper_runs_nothing_when_a_limit_is_passed(helper: Path):
    rules = ["--read", "/etc"] * 4097
    done = subprocess.run(
        [helper, "--network", "off", "--landlock", *rules, "--", "/bin/echo", "ran"],
        capture_output=True,
        timeout=DEADLINE_S,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        126,
        "",
        "codex-linux-sandbox: more than 4096 rules\n",
    )


def test_the_helper_runs_nothing_when_bubblewrap_fails(mounts: World):
    plan = mounts.plan()
    assert isinstance(plan, SandboxPlan)
    shutil.rmtree(mounts.ws)
    done = mounts.run("echo ran", plan, cwd=mounts.outside)
    assert done.status != 0
    assert done.stdout == b""


def test_a_message_is_one_line_whatever_a_file_is_called(helper: Path, tmp_path: Path):
    name = tmp_path / "a\nb\x1b[31m"
    done = subprocess.run(
        [helper, "--network", "off", "--landlock", "--", name],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("sanitizer", ["address,undefined"])
def test_no_memory_fault_is_found(world: World, area: Path, sanitizer):
    source = NATIVE / "linux_sandbox.c"
    checked = area / f"checked-{sanitizer.replace(',', '-')}"
    if not checked.exists():
        fresh = checked.with_suffix(f".{os.getpid()}")
        compile_c(source, fresh, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
        fresh.rename(checked)
    world.engine = replace(world.engine, helper=str(checked))  # type: ignore[call-arg]
    world.env["ASAN_OPTIONS"] = "detect_leaks=0"
    world.put("ws/sub/file")
    world.output("echo x > sub/new; exec 3<sub/new; cat <&3")
    world.fails("mkdir .git")
    world.fails("echo x > ../outside/new", READ_ONLY)
    done = run_command(world, "/nowhere/program", arg0="x")
    assert (done.returncode, done.stderr) == (127, NOT_FOUND)
