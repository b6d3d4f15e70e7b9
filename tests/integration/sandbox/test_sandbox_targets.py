"""The helper for each target that we ship: it compiles without a warning, starts, and its filter says what it should.

The filter's program is run by an interpreter of our own here, so that also the one for another architecture can be.
"""

import errno
import os
import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest

from integration.sandbox.conftest import NATIVE
from zig import compile_with_zig

TARGETS = {"x86_64": (), "aarch64": ("qemu-aarch64-static",)}
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}
NAMES = (
    *(
        "read",
        "ioctl",
        "socket",
        "connect",
        "sendto",
        "clone",
        "ptrace",
        "mount",
        "openat",
        "fchmodat",
        "unshare",
    ),
    *("prlimit64", "bpf", "sendmsg", "socketpair", "execve"),
)
NUMBERS = {
    "x86_64": (0, 16, 41, 42, 44, 56, 101, 165, 257, 268, 272, 302, 321, 46, 53, 59),
    "aarch64": (63, 29, 198, 203, 206, 220, 117, 40, 56, 53, 97, 261, 280, 211, 199, 221),
}
SAME_EVERYWHERE = {
    "io_uring_setup": 425,
    "open_tree": 428,
    "clone3": 435,
    "openat2": 437,
    "landlock_restrict_self": 446,
}
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
REFUSE, UNKNOWN = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

CASES = [
    # call, arguments, verdict without network, verdict with it
    ("read", (), ALLOW, ALLOW),
    ("execve", (), ALLOW, ALLOW),
    ("sendmsg", (), ALLOW, ALLOW),
    ("landlock_restrict_self", (), ALLOW, ALLOW),
    ("ptrace", (), REFUSE, REFUSE),
    ("bpf", (), REFUSE, REFUSE),
    ("mount", (), REFUSE, REFUSE),
    ("io_uring_setup", (), REFUSE, REFUSE),
    ("open_tree", (), REFUSE, REFUSE),
    ("clone3", (), UNKNOWN, UNKNOWN),
    ("openat2", (), UNKNOWN, UNKNOWN),
    ("clone", (17,), ALLOW, ALLOW),
    ("clone", (0x10000011,), REFUSE, REFUSE),
    ("unshare", (0x400,), ALLOW, ALLOW),
    ("unshare", (0x40000000,), REFUSE, REFUSE),
    ("ioctl", (0, 0x5401), ALLOW, ALLOW),
    ("ioctl", (0, 0x5412), REFUSE, REFUSE),
    ("prlimit64", (0,), ALLOW, ALLOW),
    ("prlimit64", (1,), REFUSE, REFUSE),
    ("fchmodat", (0, 0, 0o755), ALLOW, ALLOW),
    ("fchmodat", (0, 0, 0o4755), REFUSE, REFUSE),
    ("openat", (0, 0, 0o100, 0o644), ALLOW, ALLOW),
    ("openat", (0, 0, 0o100, 0o4755), REFUSE, REFUSE),
    ("openat", (0, 0, 0, 0o4755), ALLOW, ALLOW),
    ("socketpair", (1, 1), ALLOW, ALLOW),
    ("socketpair", (2, 1), REFUSE, REFUSE),
    ("socket", (1, 1), ALLOW, REFUSE),
    ("socket", (2, 1), REFUSE, ALLOW),
    ("socket", (10, 2), REFUSE, ALLOW),
    ("socket", (16, 3, 0), REFUSE, ALLOW),
    ("socket", (16, 3, 9), REFUSE, REFUSE),
    ("socket", (17, 3, 0), REFUSE, REFUSE),
    ("connect", (), REFUSE, ALLOW),
    ("sendto", (0, 0, 0, 0, 0), ALLOW, ALLOW),
    ("sendto", (0, 0, 0, 0, 1), REFUSE, ALLOW),
    ("sendto", (0, 0, 0, 0, 1 << 32), REFUSE, ALLOW),
]


def build(target: str, folder: Path) -> Path:
    program = folder / f"codex-linux-sandbox-{target}"
    flags = ["-std=c11", "-O2", "-s", "-static", "-Wall", "-Wextra", "-Werror"]
    return compile_with_zig(f"{target}-linux-musl", NATIVE / "linux_sandbox.c", program, *flags)


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def command(target: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts the helper of a target here."""
    runner = [] if target == os.uname().machine else list(TARGETS[target])
    if runner and shutil.which(runner[0]) is None:
        pytest.skip(f"{runner[0]} is not installed")
    return [*runner, str(build(target, tmp_path_factory.mktemp("targets")))]


@cache
def _filter_of(command: tuple[str, ...], network: str) -> list[tuple[int, int, int, int]]:
    done = subprocess.run([*command, "--filter", network], capture_output=True, check=True, timeout=60)
    return list(struct.iter_unpack("<HBBI", done.stdout))


def filter_of(command: list[str], network: str) -> list[tuple[int, int, int, int]]:
    return _filter_of(tuple(command), network)


def verdict(
    program: list[tuple[int, int, int, int]], arch: int, number: int, arguments: tuple[int, ...]
) -> int:
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    value, place = 0, 0
    while True:
        code, yes, no, operand = program[place]
        place += 1
        if code == RETURN:
            return operand
        if code == LOAD:
            value = struct.unpack_from("<I", data, operand)[0]
            continue
        holds = {EQUAL: value == operand, AT_LEAST: value >= operand, ANY_BIT: bool(value & operand)}[code]
        place += yes if holds else no


def test_it_starts(command: list[str]):
    done = subprocess.run([*command, "--check"], capture_output=True, timeout=60, check=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "landlock",
        "seccomp",
        "no_new_privs",
        "pid_namespace",
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_the_filter_decides_by_number_and_arguments(command: list[str], target: str, case):
    name, arguments, offline, online = case
    number = {**SAME_EVERYWHERE, **dict(zip(NAMES, NUMBERS[target], strict=True))}[name]
    assert verdict(filter_of(command, "off"), AUDIT_ARCH[target], number, arguments) == offline
    assert verdict(filter_of(command, "on"), AUDIT_ARCH[target], number, arguments) == online


@pytest.mark.parametrize("network", ["off", "on"])
def test_another_architecture_ends_the_process(command: list[str], target: str, network):
    program = filter_of(command, network)
    for other, arch in AUDIT_ARCH.items():
        if other != target:
            assert verdict(program, arch, 0, ()) == KILL


@pytest.mark.parametrize("network", ["off", "on"])
def test_numbers_above_those_of_the_architecture_are_refused_on_x86_64(
    command: list[str], target: str, network
):
    wanted = REFUSE if target == "x86_64" else ALLOW
    for number in (0x40000000, 0x40000000 + 101, 0x7FFFFFFF, 0xFFFFFFFF):
        assert verdict(filter_of(command, network), AUDIT_ARCH[target], number, ()) == wanted


def test_the_filter_is_short_and_every_jump_lands_in_it(command: list[str]):
    for network in ("off", "on"):
        program = filter_of(command, network)
        assert len(program) < 400
        for place, (code, yes, no, _) in enumerate(program):
            if code not in {LOAD, RETURN}:
                assert place + 1 + max(yes, no) < len(program)
        assert program[-1][0] == RETURN
