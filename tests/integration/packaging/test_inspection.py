"""Programs that must not ship, compiled for the purpose, and each refused for what is wrong with it."""

import dataclasses
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from shellbuild.builder.code_signature import sign_ad_hoc
from shellbuild.errors import VendorError
from shellbuild.inspection import build_paths, check_programs, program_faults
from shellbuild.platforms import Platform
from shellbuild.project import ROOT, host_target, load_project
from shellbuild.toolchain import build_environment, zig_toolchain
from zig import COMPILE_S

pytestmark = pytest.mark.build

LOAD, DYNAMIC, GNU_STACK, GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
LINUX = "x86_64-unknown-linux-musl"
MAC = "x86_64-apple-darwin"
ARM_MAC = "aarch64-apple-darwin"
SOURCE = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")

    def compile_c(target: str, source: str = SOURCE, *flags: str) -> Path:
        row = platform(target)
        program: Path = folder / f"program{len(list(folder.iterdir()))}"
        (folder / "source.c").write_text(source, encoding="utf-8")
        # The wrapper script of real builds: their libc is compiled already.
        toolchain = zig_toolchain(row, platform(host_target()))
        subprocess.run(
            [toolchain.cc, *toolchain.cflags, *toolchain.ldflags, *flags, "-o", program, folder / "source.c"],
            check=True,
            timeout=COMPILE_S,
            env=build_environment(toolchain, home=folder),
        )
        if row.os == "macos":
            program.write_bytes(sign_ad_hoc(program.read_bytes(), program.name))
        return program

    return compile_c


def platform(target: str) -> Platform:
    return load_project().platforms[target]


@pytest.mark.parametrize("target", list(load_project().platforms))
def test_a_program_with_the_flags_of_its_platform_has_no_faults(compiled, target):
    assert program_faults(compiled(target), platform(target)) == []


def segment_at(program: bytes, kind: int) -> int:
    """Find the first program header of a kind."""
    (table,), (size, count) = struct.unpack_from("<Q", program, 32), struct.unpack_from("<2H", program, 54)
    places = (int(table + n * size) for n in range(count))
    return next(at for at in places if struct.unpack_from("<I", program, at) == (kind,))


def bound_late(program: bytes) -> bytes:
    """Take DT_FLAGS (30) back, which says that everything is bound at start."""
    data, table = bytearray(program), struct.unpack_from("<Q", program, segment_at(program, DYNAMIC) + 8)[0]
    at = next(p for p in range(table, len(data), 16) if struct.unpack_from("<Q", data, p) == (30,))
    struct.pack_into("<Q", data, at + 8, 0)
    return bytes(data)


def with_segment(
    program: bytes, kind: int, *, new_kind: int | None = None, flags: int | None = None
) -> bytes:
    """Edit the first program header of a kind."""
    data, at = bytearray(program), segment_at(program, kind)
    struct.pack_into("<I", data, at, kind if new_kind is None else new_kind)
    if flags is not None:
        struct.pack_into("<I", data, at + 4, flags)
    return bytes(data)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data[:16] + b"\x02" + data[17:], "is not position independent"),
        (lambda data: with_segment(data, GNU_STACK, flags=7), "asks for an executable stack"),
        (lambda data: with_segment(data, GNU_STACK, new_kind=0), "asks for an executable stack"),
        (lambda data: with_segment(data, GNU_RELRO, new_kind=0), "has no RELRO segment"),
        (lambda data: with_segment(data, LOAD, flags=7), "has a segment that is writable and executable"),
        (bound_late, "is not bound at start"),
    ],
)
def test_an_elf_program_is_refused_for_what_it_lacks(compiled, change, fault, tmp_path):
    (tmp_path / "bash").write_bytes(change(compiled(LINUX).read_bytes()))
    found = program_faults(tmp_path / "bash", platform(LINUX))
    assert any(fault in one for one in found), found


def unstripped(program: bytes) -> bytes:
    """Rename a section to one for debuggers: a build with real ones compiles all of libc again."""
    assert program.count(b"\0.comment\0") == 1
    return program.replace(b"\0.comment\0", b"\0.debug_x\0")


def test_an_unstripped_program_is_refused(compiled, tmp_path):
    (tmp_path / "bash").write_bytes(unstripped(compiled(LINUX).read_bytes()))
    assert program_faults(tmp_path / "bash", platform(LINUX)) == ["is not stripped"]


def test_a_dynamic_program_is_refused_with_what_it_needs():
    found = program_faults(Path(shutil.which("env") or "/usr/bin/env").resolve(), platform(LINUX))
    assert any(fault.startswith("is not static: it needs /lib64/ld-linux") for fault in found), found


def test_a_program_for_another_machine_or_system_is_refused(compiled):
    program = compiled(LINUX)
    assert any(
        "is for X86_64" in fault for fault in program_faults(program, platform("aarch64-unknown-linux-musl"))
    )
    assert program_faults(program, platform(MAC)) == ["is no program for macos"]
    assert any("is for X86_64" in fault for fault in program_faults(compiled(MAC), platform(ARM_MAC)))


def test_a_macos_program_for_a_newer_system_is_refused(compiled):
    older = dataclasses.replace(platform(MAC), minimum_os="10.13")
    assert program_faults(compiled(MAC), older) == ["wants macOS 10.15, not 10.13"]


@pytest.mark.parametrize("target", [MAC, ARM_MAC])
def test_a_flipped_byte_in_a_macos_program_is_found_by_its_signature(compiled, target, tmp_path):
    data = bytearray(compiled(target).read_bytes())
    data[data.index(b"hello")] ^= 1
    (tmp_path / "bash").write_bytes(bytes(data))
    assert any("does not fit page" in fault for fault in program_faults(tmp_path / "bash", platform(target)))


def test_a_library_that_the_recipe_does_not_allow_is_named(compiled, tmp_path):
    data = compiled(MAC).read_bytes().replace(b"/usr/lib/libSystem.B.dylib", b"/tmp/lib/libSystem.B.dylib")
    (tmp_path / "bash").write_bytes(data)
    assert any(
        "needs /tmp/lib/libSystem.B.dylib" in fault
        for fault in program_faults(tmp_path / "bash", platform(MAC))
    )


def command_at(program: bytes, kind: int, holding: bytes = b"") -> int:
    """Find the first load command of a kind that holds this."""
    at, (count,) = 32, struct.unpack_from("<I", program, 16)
    for _ in range(count):
        found, size = struct.unpack_from("<2I", program, at)
        if found == kind and holding in program[at : at + size]:
            return at
        at += size
    raise AssertionError(f"no load command {kind:#x}")


def with_word(program: bytes, at: int, change) -> bytes:
    """Edit 32 bits."""
    data = bytearray(program)
    struct.pack_into("<I", data, at, change(*struct.unpack_from("<I", data, at)))
    return bytes(data)


FLAGS_AT, IS_PIE, RUN_STACK = 24, 0x200000, 0x20000
SEGMENT, SYMBOLS, BUILD_VERSION = 0x19, 0x2, 0x32


def symbols_at(data: bytes) -> int:
    return int(struct.unpack_from("<I", data, command_at(data, SYMBOLS) + 8)[0])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: with_word(data, FLAGS_AT, lambda word: word & ~IS_PIE), "is not position independent"),
        (
            lambda data: with_word(data, FLAGS_AT, lambda word: word | RUN_STACK),
            "asks for an executable stack",
        ),
        (
            lambda data: with_word(data, command_at(data, SEGMENT, b"__TEXT") + 60, lambda _: 7),
            "has a segment that is writable and executable",
        ),
        (
            lambda data: with_word(data, command_at(data, BUILD_VERSION) + 8, lambda _: 2),
            "does not state its lowest macOS",
        ),
        # n_type of the first symbol: N_FUN, a function for debuggers.
        (lambda data: with_word(data, symbols_at(data) + 4, lambda word: word | 0x24), "is not stripped"),
    ],
)
def test_a_macos_program_is_refused_for_what_it_lacks(compiled, change, fault, tmp_path):
    (tmp_path / "bash").write_bytes(change(compiled(MAC).read_bytes()))
    assert fault in program_faults(tmp_path / "bash", platform(MAC))


def test_a_macos_program_that_looks_for_libraries_elsewhere_is_refused(compiled):
    program = compiled(MAC, SOURCE, "-Wl,-rpath,/tmp/lib")
    assert program_faults(program, platform(MAC)) == ["looks for libraries in /tmp/lib"]


def test_a_macos_program_without_a_signature_is_refused(compiled, tmp_path):
    data = compiled(MAC).read_bytes()
    (tmp_path / "bash").write_bytes(with_word(data, command_at(data, 0x1D), lambda _: 0x26))
    assert "has no code signature" in program_faults(tmp_path / "bash", platform(MAC))


def test_a_path_of_the_machine_that_built_it_is_found(compiled):
    source = SOURCE.replace("hello", f"{ROOT}/src")
    assert f"holds the path {ROOT}" in program_faults(compiled(LINUX, source=source), platform(LINUX))
    assert build_paths(b"/usr/share/terminfo /etc/zshenv /root/") == []


def test_something_that_is_no_program_is_refused(tmp_path):
    for name, data in (("empty", b""), ("text", b"#!/bin/sh\n")):
        (tmp_path / name).write_bytes(data)
        assert program_faults(tmp_path / name, platform(LINUX)) == ["is no program for linux"]
    (tmp_path / "cut").write_bytes(b"\x7fELF\x02\x01\x01")
    assert "is not position independent" in program_faults(tmp_path / "cut", platform(LINUX))


def test_all_faults_of_all_programs_are_raised_at_once(compiled, tmp_path):
    (tmp_path / "zsh").write_bytes(unstripped(compiled(LINUX).read_bytes()))
    (tmp_path / "bash").write_bytes(b"text")
    programs = {f"{LINUX}/{name}": tmp_path / name for name in ("bash", "zsh")}
    with pytest.raises(VendorError) as caught:
        check_programs(programs, platform(LINUX))
    assert f"{LINUX}/bash: is no program for linux" in str(caught.value)
    assert f"{LINUX}/zsh: is not stripped" in str(caught.value)
