"""How a sandboxed command starts: descriptors, environment, statuses, signals, its terminal."""

import array
import os
import signal
import socket
import subprocess
import sys

import pexpect

from integration.sandbox.conftest import compile_c
from integration.sandbox.waiting import until
from integration.sandbox.watching import NOT_FOUND, marker_of, processes_with, run_command, started
from integration.sandbox.world import DEADLINE_S, World


def test_statuses_pass_through(world: World):
    assert world.run("exit 0").status == 0
    assert world.run("exit 42").status == 42


def test_death_by_a_signal_is_128_and_its_number(world: World):
    wanted = {128 + signal.SIGTERM} if world.bwrap else {-signal.SIGTERM}
    assert world.run("kill -TERM $$").status in wanted
    assert world.run("sh -c 'kill -SEGV $$'").status == 128 + signal.SIGSEGV


def test_a_command_that_does_not_exist_ends_with_127(world: World):
    done = run_command(world, "/nowhere/program")
    assert (done.returncode, done.stderr) == (127, NOT_FOUND)


def test_a_command_that_can_not_be_executed_ends_with_126(world: World):
    plain = world.put("outside/plain")
    done = run_command(world, str(plain))
    assert (done.returncode, done.stderr) == (
        126,
        f"codex-linux-sandbox: {plain}: Permission denied\n".encode(),
    )


def test_a_command_can_be_given_another_name(world: World):
    assert run_command(world, "/bin/sh", "-c", "echo $0", arg0="-other").stdout == b"-other\n"


def test_it_runs_in_the_working_folder(world: World):
    folder = world.put("ws/a b/file").parent
    assert world.output("pwd; ls", cwd=folder) == f"{folder}\nfile"


def test_the_environment_is_the_callers_byte_for_byte(world: World):
    world.env = {
        "PATH": "/usr/bin:/bin",
        "EMPTY": "",
        "BYTES": "\udcff\udcfe",
        "LINES": "a\nb",
        "PWD": "/kept",
    }
    told = run_command(world, "/usr/bin/env", "-0").stdout.split(b"\0")
    caller = [b"PATH=/usr/bin:/bin", b"EMPTY=", b"BYTES=\xff\xfe", b"LINES=a\nb", b"PWD=/kept"]
    assert told == [*caller, b"CODEX_SANDBOX_NETWORK_DISABLED=1", b""]


def test_umask_and_limits_are_the_callers(world: World):
    spec = world.spec("umask; ulimit -n", world.plan())
    done = subprocess.run(
        ["/bin/sh", "-c", 'umask 027; ulimit -n 77; exec "$@"', "sh", *world.user.prefix, *spec.argv],
        cwd=spec.cwd,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.stdout == b"0027\n77\n"


def test_nothing_of_the_sandboxes_own_is_open_in_the_command(world: World):
    assert run_command(world, "/bin/ls", "/proc/self/fd").stdout.split() == [b"0", b"1", b"2", b"3"]


def test_a_library_that_is_loaded_first_is_loaded_inside_only(own_world: World):
    """`LD_PRELOAD` is the command's business; bubblewrap runs outside, and must not load it."""
    world = own_world
    trace = world.outside / "trace"
    source = world.put(
        "bin/spy.c",
        "#include <fcntl.h>\n#include <unistd.h>\n"
        f'__attribute__((constructor)) static void spy(void) {{ close(open("{trace}", O_CREAT | O_WRONLY, 0666));'
        ' if (write(2, "loaded\\n", 7) < 0) _exit(1); }\n',
    )
    spy = compile_c(source, world.root / "bin/spy.so", "-shared", "-fPIC")
    world.env["LD_PRELOAD"] = str(spy)
    done = world.run("exec /bin/true")
    assert (done.status, done.stderr) == (0, b"loaded\nloaded\n")  # the shell, and true
    assert not trace.exists()


def test_inherited_descriptors_can_be_used(world: World):
    reader, writer = os.pipe()
    try:
        world.output(f"exec /bin/bash -c 'echo through >&{writer}'", pass_fds=(writer,))
        assert os.read(reader, 100) == b"through\n"
    finally:
        os.close(reader)
        os.close(writer)


def test_the_escalation_socket_works_from_inside(world: World):
    """A datagram socket that was inherited, and over it one end of a fresh pair."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.settimeout(DEADLINE_S)
    world.env["CODEX_ESCALATE_SOCKET"] = str(there.fileno())
    with here, there:
        child = world.start(
            f"exec @root@/bin/probe send {there.fileno()}", world.plan(), pass_fds=(there.fileno(),)
        )
        size = array.array("i").itemsize
        _, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(size))
        with socket.socket(fileno=array.array("i", ancillary[0][2][:size])[0]) as stream:
            stream.sendall(b"R")
        assert child.communicate(timeout=DEADLINE_S)[0] == b"R\n"


def test_signals_to_the_group_reach_the_command_and_only_the_command(world: World):
    script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do :; done"
    child = started(world.start(script, world.plan()))
    os.killpg(child.pid, signal.SIGTERM)
    assert child.communicate(timeout=DEADLINE_S)[0] == b"caught\n"
    assert child.returncode == 7


def test_signals_that_were_ignored_or_blocked_are_so_inside(world: World):
    argv = [
        "/bin/grep",
        "-E",
        "SigBlk|SigIgn",
        "/proc/self/status",
    ]  # no shell, which has its own idea of signals
    spec = world.engine.command(world.plan(), argv, cwd=str(world.ws), env=world.env)
    code = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.execv(sys.argv[1], sys.argv[1:])"
    )
    argv = [sys.executable, "-c", code, *(world.user.prefix or ["/usr/bin/env"]), *spec.argv]
    done = subprocess.run(argv, cwd=spec.cwd, capture_output=True, timeout=DEADLINE_S, check=False)
    blocked, ignored = (int(line.split()[1], 16) for line in done.stdout.splitlines())
    assert blocked == 1 << signal.SIGUSR2 - 1
    assert ignored & 1 << signal.SIGHUP - 1
    assert not ignored & 1 << signal.SIGINT - 1


def test_a_shell_at_a_terminal_survives_an_interrupt(world: World):
    spec = world.engine.command(
        world.plan(),
        ["/bin/bash", "--norc", "--noprofile", "-i"],
        cwd=str(world.ws),
        env={**world.env, "PS1": "> "},
    )
    argv = [*world.user.prefix, *spec.argv]
    child = pexpect.spawn(argv[0], argv[1:], cwd=spec.cwd, env=spec.env, timeout=DEADLINE_S)
    try:
        child.expect("> ")
        marker = marker_of(world)
        child.sendline(f"sleep {marker}; echo not reached")
        until(lambda: bool(processes_with(f"sleep\0{marker}")), "no sleep")
        child.sendintr()
        child.expect("> ")
        child.sendline("echo still $((40 + 2))")
        child.expect("still 42")
        child.sendline("exit 3")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 3
    finally:
        child.close(force=True)
