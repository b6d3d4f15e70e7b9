"""System calls that no sandboxed process gets through, sockets, and privileges."""

import errno
import os
import platform
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from excuses import machine
from integration.sandbox.world import FULL_ACCESS, READ_ONLY, World
from shelltool.sandbox.engine import NETWORK_DISABLED

X32 = 0x40000000
SIGSYS_STATUS = 128 + 31
CLONE_NEWUSER, CLONE_NEWNS, CLONE_FS = 0x10000000, 0x00020000, 0x200

REFUSED = {
    # Number and arguments on x86_64. None of them changes anything in the machine where it is not refused: the tests
    # run as root, too, and once for each without a sandbox.
    "ptrace": "101 0 0 0 0",
    "process_vm_readv": "310 1 0 0 0 0 0",
    "process_vm_writev": "311 1 0 0 0 0 0",
    "kcmp": "312 0 0 0 0 0",
    "pidfd_getfd": "438 0 0 0",
    "prlimit64 of another": "302 1 7 0 0",
    "io_uring_setup": "425 1 0",
    "io_uring_enter": "426 0 0 0 0 0 0",
    "io_uring_register": "427 0 0 0 0",
    "bpf": "321 0 0 0",
    "perf_event_open": "298 0 0 0 0 0",
    "userfaultfd": "323 0",
    "userfaultfd, user mode only": "323 1",
    "add_key": "248 @nothing @x @y 1 0",
    "request_key": "249 @nothing @x 0 0",
    "keyctl": "250 0 -3 0",
    "open_by_handle_at": "304 0 0 0",
    "mount": "165 @none @/nowhere @tmpfs 0 0",
    "umount2": "166 @/nowhere 2",
    "pivot_root": "155 @/nowhere @/nowhere",
    "chroot": "161 @/nowhere",
    "open_tree": "428 -100 @/nowhere 1",
    "open_tree_attr": "467 -100 @/nowhere 1 0 0",
    "move_mount": "429 -100 @/nowhere -100 @/nowhere 0",
    "fsopen": "430 @tmpfs 0",
    "fsconfig": "431 0 0 0 0 0",
    "fsmount": "432 0 0 0",
    "fspick": "433 -100 @/nowhere 0",
    "mount_setattr": "442 -100 @/nowhere 0 0 0",
    "setns": "308 0 0",
    "unshare of users": f"272 {CLONE_NEWUSER}",
    "unshare of mounts": f"272 {CLONE_NEWNS}",
    "unshare of time": "272 0x80",
    "unshare of users, with rubbish above": f"272 {CLONE_NEWUSER | 1 << 32}",
    "clone with users": f"56 {CLONE_NEWUSER | CLONE_FS} 0 0 0 0",
    "ioctl TIOCSTI": "16 0 0x5412 @x",
    "ioctl TIOCSTI, with rubbish above": f"16 0 {0x5412 | 1 << 32} @x",
    "ioctl TIOCLINUX": "16 0 0x541c @x",
    "chmod u+s": "90 @file 04755",
    "fchmod g+s": "91 0 02755",
    "fchmodat u+s": "268 -100 @file 04755",
    "fchmodat2 u+s": "452 -100 @file 04755 0",
    "open u+s": "2 @new 0101 04755",
    "openat u+s": "257 -100 @new 0101 04755",
    "openat of no name, u+s": "257 -100 @. 020200002 04755",
    "creat u+s": "85 @new 04755",
    "mknod u+s": "133 @new 0104755 0",
    "mknodat u+s": "259 -100 @new 0104755 0",
    "socketpair of TCP": "53 2 1 0 0",
    "packet socket": "41 17 3 0",
    "vsock socket": "41 40 1 0",
    "kernel crypto socket": "41 38 5 0",
}
UNJUDGEABLE = {"clone3": "435 0 88", "openat2": "437 -100 @/ 0 24"}
OFFLINE = {
    "TCP socket": "41 2 1 0",
    "UDP socket": "41 2 2 0",
    "TCP socket, with rubbish above": f"41 {2 | 1 << 32} 1 0",
    "IPv6 socket": "41 10 1 0",
    "netlink socket": "41 16 3 0",
    "connect": "42 0 0 0",
    "bind": "49 0 0 0",
    "listen": "50 0 1",
    "accept": "43 0 0 0",
    "accept4": "288 0 0 0 0",
    "sendto with an address": "44 0 @x 1 0 @x 16",
    "sendto with an address whose lower half is zero": f"44 0 @x 1 0 {1 << 32} 16",
}
ONLINE = {"local socket": "41 1 1 0", "netlink socket of the kernel's audit": "41 16 3 9"}
ALLOWED = {
    "getpid": "39",
    "prlimit64 of itself": "302 0 7 0 0",
    "unshare of files": "272 0x400",
    "chmod": "90 @file 0755",
    "openat without a mode": "257 -100 @file 0 04755",
    "mkdir": "83 @folder 0755",
    "kill of nobody": "62 0 0",
}

native = pytest.mark.skipif(platform.machine() != "x86_64", reason=machine("the numbers are those of x86_64"))


def prepare(world: World) -> str:
    """Give the folder in which files can be made."""
    world.put("ws/sub/file")
    return "sub"


def inside(world: World, words: str, **more: Any) -> int:
    """Make a call in a folder that can be written."""
    return int(world.output(f"cd sub; exec @root@/bin/probe call {words}", **more))


@native
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("network", [False, True], ids=["offline", "online"])
def test_refused_calls_are_refused(world: World, name, network):
    prepare(world)
    assert inside(world, REFUSED[name], network_access=network) == errno.EPERM


@native
@pytest.mark.parametrize("name", UNJUDGEABLE)
def test_calls_whose_arguments_can_not_be_seen_seem_not_to_exist(world: World, name):
    prepare(world)
    assert inside(world, UNJUDGEABLE[name]) == errno.ENOSYS


@native
@pytest.mark.parametrize("name", OFFLINE)
def test_without_network_there_are_no_sockets(world: World, name):
    prepare(world)
    assert inside(world, OFFLINE[name]) == errno.EPERM


@native
@pytest.mark.parametrize("name", ONLINE)
def test_with_network_there_are_no_sockets_for_anything_else(world: World, name):
    prepare(world)
    assert inside(world, ONLINE[name], network_access=True) == errno.EPERM


@native
@pytest.mark.parametrize("name", ALLOWED)
def test_what_every_program_needs_works(world: World, name):
    prepare(world)
    assert inside(world, ALLOWED[name]) == 0


@native
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.skipif(
    os.geteuid() != 0, reason=machine("the kernel itself refuses some of them for lack of privileges")
)
def test_without_a_sandbox_it_is_not_this_error(own_world: World, name):
    """Or the error would prove nothing."""
    prepare(own_world)
    assert inside(own_world, REFUSED[name], policy=FULL_ACCESS) != errno.EPERM


@native
@pytest.mark.parametrize("number", [39, 101, 0], ids=["getpid", "ptrace", "read"])
def test_numbers_of_x32_are_refused(world: World, number):
    assert world.errno(f"call {X32 + number}") == errno.EPERM
    assert world.errno(f"call {X32 + number}", FULL_ACCESS) in {errno.ENOSYS, 0}


@native
def test_calls_by_the_32_bit_entry_end_the_process(world: World):
    done = world.run("@root@/bin/probe int80 20")
    assert done.status == SIGSYS_STATUS, done
    assert world.run("@root@/bin/probe int80 20", FULL_ACCESS).status in {0, 128 + 11}


@contextmanager
def listener(family: int, address: object) -> Iterator[socket.socket]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind(address)  # type: ignore[arg-type]
        server.listen()
        yield server


@pytest.mark.parametrize("policy", [READ_ONLY, {"type": "workspace-write"}], ids=["read-only", "workspace"])
def test_the_network_is_off_unless_it_is_on(world: World, policy):
    with listener(socket.AF_INET, ("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert world.errno(f"tcp {port}", policy) == errno.EPERM
        assert world.errno("udp", policy) == errno.EPERM
        assert world.errno(f"tcp {port}", policy, network_access=True) == 0
        assert world.errno("udp", policy, network_access=True) == 0


@pytest.mark.parametrize("network", [False, True])
def test_services_outside_can_not_be_reached_by_local_sockets(world: World, network):
    path = world.ws / "service"
    with listener(socket.AF_UNIX, str(path)):
        path.chmod(0o777)
        assert world.errno("connect service", network_access=network) == errno.EPERM
        assert world.errno(f"connect {path}", FULL_ACCESS) == 0


def test_programs_are_told_that_there_is_no_network(world: World):
    assert world.output(f"echo ${NETWORK_DISABLED}") == "1"
    assert world.output(f"echo [${NETWORK_DISABLED}]", network_access=True) == "[]"
    assert world.output(f"echo [${NETWORK_DISABLED}]", FULL_ACCESS) == "[]"


def test_there_are_no_privileges_and_no_way_to_get_them(world: World):
    status = dict(
        line.split(":\t", 1) for line in world.output("cat /proc/self/status").splitlines() if ":\t" in line
    )
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == [str(world.user.uid)] * 4


def test_a_set_user_id_program_runs_as_whoever_started_it(nobodys_world: World):
    world = nobodys_world
    lent = world.root / "bin/lent"
    lent.write_bytes((world.root / "bin/probe").read_bytes())
    os.chown(lent, 0, 0)
    lent.chmod(0o4755)
    assert world.output("@root@/bin/lent euid", FULL_ACCESS) == "0"
    assert world.output("@root@/bin/lent euid") == str(world.user.uid)
