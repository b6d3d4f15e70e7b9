"""What a sandboxed command can do to processes outside and to the services that they offer."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.sandbox.waiting import until
from integration.sandbox.watching import marker_of
from integration.sandbox.world import DEADLINE_S, FULL_ACCESS, World

NAMED = (
    "import socket, sys; name = sys.argv[1].replace('@', chr(0));"
    "s = socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else"
    " socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]; s.sendmsg([b'x'], [], 0, name)"
)
PAIRED = (
    "import socket, sys; kind = getattr(socket, sys.argv[2]);"
    "s = socket.socketpair(socket.AF_UNIX, kind)[0]; s.connect(sys.argv[1])"
)


@contextmanager
def neighbour(world: World) -> Iterator[tuple[int, int]]:
    """Run a process of the same user outside; give it and an address in its memory that nothing depends on."""
    marker = marker_of(world)
    with subprocess.Popen([*world.user.prefix, "/bin/sleep", marker], stdin=subprocess.DEVNULL) as child:
        try:
            started = f"/bin/sleep\0{marker}\0".encode()
            place = Path(f"/proc/{child.pid}")
            until(lambda: (place / "cmdline").read_bytes() == started, "no neighbour")
            until(lambda: "[stack]" in (place / "maps").read_text("utf-8"), "it has no stack")
            lines = (place / "maps").read_text(encoding="utf-8").splitlines()
            stack = next(line for line in lines if line.endswith("[stack]"))
            yield child.pid, int(stack.split("-")[0], 16)
        finally:
            child.kill()
            child.wait(DEADLINE_S)


@contextmanager
def service(name: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name)
        server.setblocking(False)
        yield server


def test_processes_outside_can_not_be_signalled(world: World):
    with neighbour(world) as (pid, _):
        complaint = world.fails(f"kill -0 {pid}")
        assert "not permitted" in complaint or "No such process" in complaint
        world.output(f"kill -0 {pid}", FULL_ACCESS)


def test_memory_of_processes_outside_can_not_be_touched(world: World):
    with neighbour(world) as (pid, address):
        reading = f"dd if=/proc/{pid}/mem bs=1 count=1 skip={address} of=/dev/null"
        writing = f"printf x | dd of=/proc/{pid}/mem bs=1 seek={address} conv=notrunc"
        for attack in (reading, writing):
            world.fails(attack)
            world.output(attack, FULL_ACCESS)


def test_memory_of_bubblewraps_own_process_inside_can_not_be_touched(mounts: World):
    mounts.fails("printf x | dd of=/proc/1/mem bs=1 seek=4194304 conv=notrunc")
    mounts.fails("dd if=/proc/1/mem bs=1 count=1 skip=4194304 of=/dev/null")


def test_processes_outside_can_not_be_seen(mounts: World):
    assert set(mounts.output("cat /proc/[0-9]*/comm").split()) <= {"bwrap", "cat", "sh"}


def test_the_filter_also_holds_for_bubblewraps_own_process_inside(mounts: World):
    assert mounts.output("grep Seccomp: /proc/1/status").split() == ["Seccomp:", "2"]


@pytest.mark.parametrize("network", [False, True], ids=["offline", "online"])
def test_abstract_sockets_outside_can_not_be_reached(world: World, network):
    """By a datagram socket that was inherited, which the filter can't look into."""
    name = f"sandbox-test-{os.getpid()}-{id(world)}"
    with service(f"\0{name}") as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inherited:
        fd = inherited.fileno()
        attack = f'exec /usr/bin/python3 -I -S -c "{NAMED}" @{name} {fd}'
        world.fails(attack, pass_fds=(fd,), network_access=network)
        with pytest.raises(BlockingIOError):
            server.recv(1)
        world.output(attack, FULL_ACCESS, pass_fds=(fd,))
        assert server.recv(1) == b"x"


@pytest.mark.parametrize("network", [False, True], ids=["offline", "online"])
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_SEQPACKET"])
def test_a_pair_of_sockets_can_not_be_connected_to_a_service(world: World, kind, network):
    """Pairs can be made with and without network, and `connect` is there with it."""
    path = world.outside / "service"
    with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o777)
        world.fails(
            f'exec /usr/bin/python3 -I -S -c "{PAIRED}" @root@/outside/service {kind}', network_access=network
        )


@pytest.mark.parametrize("network", [False, True], ids=["offline", "online"])
def test_a_datagram_service_with_a_path_can_be_sent_to_as_the_documentation_says(world: World, network):
    """A gap: the name is behind a pointer."""
    path = world.outside / "log"
    with service(str(path)) as server:
        path.chmod(0o777)
        world.output(f'exec /usr/bin/python3 -I -S -c "{NAMED}" @root@/outside/log', network_access=network)
        assert server.recv(1) == b"x"
