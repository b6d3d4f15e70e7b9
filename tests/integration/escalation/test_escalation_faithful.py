"""An escalated command is what it would have been in place: bytes, umask, limits, signals, status. Both keepers.

Descriptors are in test_escalation_descriptors.py, what must not be inherited in test_escalation_environment.py.
"""

import os
import resource
import signal
import sys

import pytest

from integration.escalation.faithful import escalate
from integration.escalation.world import ByName
from shelltool.escalation import Escalate
from shelltool.escalation.keeping import KeeperProgram


def test_bytes_that_are_not_utf8_stay_as_they_are(kept):
    odd = os.fsencode(kept.root) + b"/\xe9"
    os.mkdir(odd)
    script = r"""cd $'\xe9'; X=$'<\xff>' sh -c 'printf %s "$1$X"; pwd' sh $'\xfe'"""
    assert escalate(kept, script).output == b"\xfe<\xff>" + odd + b"\n"


def test_a_program_with_a_name_that_is_not_utf8_is_escalated(kept):
    (kept.root / os.fsdecode(b"\xe9")).mkdir()
    kept.put(os.fsdecode(b"\xe9/prog"), "#!/bin/sh\necho ran\n")
    assert escalate(kept, r"$'\xe9/prog'").output == b"ran\n"


def test_an_argument_list_of_a_megabyte_arrives(kept):
    done = escalate(kept, "sh -c 'echo $# ${#2}' sh $(printf '%0500d ' {1..2000})")
    assert done.output == b"2000 500\n"


def test_argv0_is_the_callers(kept):
    done = escalate(kept, "exec -a sh sh -c 'cat /proc/$$/cmdline'")
    assert done.output.startswith(b"sh\0-c\0")


def test_an_empty_argv0_is_passed_on(world):
    world.put("prog", "")
    done = world.run("exec -a '' cat /proc/self/cmdline", policy=ByName(escalated=[""]))
    assert done.output == b"\0/proc/self/cmdline\0"
    assert done.outcomes == [Escalate(even_if_writable=True)]


def test_the_callers_umask_and_limits_hold(kept):
    done = escalate(
        kept, "umask 077; ulimit -S -n 64; ulimit -c 5; sh -c 'umask; ulimit -n; ulimit -Hn; ulimit -c'"
    )  # in dash's blocks
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert done.output.split() == [b"0077", b"64", str(hard).encode(), b"10"]


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "USR1"])
def test_a_command_that_dies_of_a_signal_gives_128_and_its_number(kept, name):
    done = escalate(kept, f"ulimit -c 0; sh -c 'kill -{name} $$'; echo $?")
    assert done.stdout == b"%d\n" % (128 + getattr(signal, f"SIG{name}"))


@pytest.mark.parametrize("code", [0, 1, 42, 126, 127, 255])
def test_a_status_comes_back(kept, code):
    assert escalate(kept, f"sh -c 'exit {code}'; echo $?").output == b"%d\n" % code


def test_a_signal_to_the_command_reaches_it(kept):
    kept.put("prog", "#!/bin/bash\ntrap 'echo got; exit 7' TERM\n: >ready\nwhile :; do sleep 0.01; done\n")
    done = escalate(kept, "./prog & while [[ ! -e ready ]]; do :; done; kill -TERM $!; wait $!; echo $?")
    assert done.output == b"got\n7\n"


def test_a_stopped_command_is_stopped_for_the_shell_and_goes_on_with_it(kept):
    script = """set -m
    ./prog & pid=$!
    while [[ ! -e ready ]]; do :; done
    kill -STOP $(<inner); wait $pid 2>/dev/null; jobs -s | grep -c Stopped; : >go; fg >/dev/null; echo $?"""
    kept.put(
        "prog", "#!/bin/bash\necho $$ >inner\n: >ready\nwhile [[ ! -e go ]]; do sleep 0.01; done\nexit 5\n"
    )
    assert escalate(kept, script).stdout == b"1\n5\n"


def test_the_end_of_the_wrapper_ends_the_command(kept):
    kept.put("prog", "#!/bin/bash\necho $$ >inner\n: >ready\nsleep 1000\n")
    script = """./prog & while [[ ! -e ready ]]; do :; done; kill -KILL $!; wait $!; echo $?
    while kill -0 $(<inner) 2>/dev/null; do :; done; echo gone"""
    assert escalate(kept, script).stdout == b"137\ngone\n"


def test_ignored_signals_stay_ignored(kept):
    done = escalate(kept, "trap '' HUP USR2; grep SigIgn /proc/self/status")
    mask = int(done.output.split()[1], 16)
    wanted = 1 << signal.SIGHUP - 1 | 1 << signal.SIGUSR2 - 1
    assert mask & 0x7FFFFFFF == wanted
    if kept.keeper == KeeperProgram(kept.wrapper):
        assert mask == wanted  # of the C library's own, Python can't reset what glibc's posix_spawn ignores


def test_an_escalated_command_leads_a_group_of_its_own(kept):
    done = escalate(kept, "ps -o pid=,pgid= -p $$; sh -c 'ps -o pid=,pgid= -p $$'")
    (shell, shells_group), (pid, group) = (map(int, line.split()) for line in done.output.splitlines())
    assert shell == shells_group
    assert (pid, group) == (pid, pid)


def test_a_group_can_be_signalled_by_the_command_without_harm_to_others(kept):
    assert escalate(kept, "sh -c 'trap \"exit 3\" TERM; kill -TERM 0; sleep 9'; echo $?").output == b"3\n"


TERMINAL = """
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    shell = os.environ["SHELL_UNDER_TEST"]
    os.execv(shell, [shell, "--norc", "--noprofile", "-ic", "./prog; echo status $?"])
said = b""
while b"status" not in said:
    part = os.read(terminal, 1024)
    if b"ready" in part:
        os.write(terminal, b"\\x03")
    said += part
os.write(1, said.replace(b"\\r", b""))
"""


def test_an_escalated_command_has_the_terminal_and_its_keys(kept):
    """A shell on a terminal inside of the call: the command reads and writes it, and Control-C reaches it."""
    kept.put(
        "prog",
        "#!/bin/bash\ntrap 'echo interrupted; exit 9' INT\n[[ -t 0 && -t 1 && -t 2 ]] && echo terminal\n"
        "echo ready; while :; do sleep 0.01; done\n",
    )
    kept.put("terminal.py", TERMINAL)
    script = f"SHELL_UNDER_TEST={kept.shell} {sys.executable} -IS terminal.py"
    done = kept.run(script, policy=ByName(escalated=["prog"]), timeout_s=20)
    lines = done.stdout.splitlines()
    assert b"terminal" in lines
    assert lines[-2].endswith(b"interrupted")
    assert lines[-1] == b"status 9"
