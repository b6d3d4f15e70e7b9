"""Small C programs that a suite needs, compiled once for this machine as static binaries."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from shellbuild.process import run_logged
from shellbuild.project import host_target, load_project
from shellbuild.toolchain import COMMON_CFLAGS, build_environment, zig_toolchain

PASSTHROUGH = Path(__file__).with_name("passthrough.c")
FLAGS = (*COMMON_CFLAGS, "-w", "-static", "-s")
COMPILE_S = 900
"""The first compile for a target also compiles its libc, which takes minutes on a busy machine."""


def compile_program(source: Path, program: Path, flags: Sequence[str] = ()) -> None:
    """Compile one C file, unless just that was done already; raise StepError with the compiler's words."""
    platform = load_project().platforms[host_target()]
    toolchain = zig_toolchain(platform, platform)
    key = _key(source, (toolchain.identity, platform.zig_target, *FLAGS, *flags))
    stamp = program.with_name(f"{program.name}.key")
    if program.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == key:
        return
    stamp.unlink(missing_ok=True)
    run_logged(
        [toolchain.cc, *FLAGS, *flags, "-o", program, source],
        cwd=program.parent,
        env=build_environment(toolchain, home=program.parent),
        log=program.parent / f"{program.name}.log",
        deadline_s=COMPILE_S,
    )
    stamp.write_text(key, encoding="utf-8")


def _key(source: Path, settings: Sequence[str]) -> str:
    return hashlib.sha256(b"\0".join([source.read_bytes(), *map(str.encode, settings)])).hexdigest()
