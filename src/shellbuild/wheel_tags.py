"""What a wheel's tag promises, against what its programs need (read with lief).

A static ELF program needs no C library, so it serves every manylinux and musllinux of its architecture
(PEP 600, PEP 656); a Mach-O program states its lowest macOS.
"""

from collections.abc import Iterable
from pathlib import Path

import lief

from shellbuild.errors import PackageError
from shellbuild.inspection import parse_program
from shellbuild.platforms import Platform

_ELF = {lief.ELF.ARCH.X86_64: "x86_64", lief.ELF.ARCH.AARCH64: "aarch64"}
_MACHO = {lief.MachO.Header.CPU_TYPE.X86_64: "x86_64", lief.MachO.Header.CPU_TYPE.ARM64: "arm64"}
_ANY_LINUX = ("manylinux", "musllinux")


def check_tags(platform: Platform, programs: Iterable[Path]) -> None:
    """Raise PackageError when a program does not run everywhere that the platform's wheel tags say."""
    for program in programs:
        binary = parse_program(program.read_bytes())
        if isinstance(binary, lief.ELF.Binary):
            _check_elf(platform, program, binary)
        elif isinstance(binary, lief.MachO.Binary):
            _check_macho(platform, program, binary)
        else:
            raise PackageError(f"{program} is neither an ELF nor a Mach-O program")


def _check_elf(platform: Platform, program: Path, binary: lief.ELF.Binary) -> None:
    machine = _ELF.get(binary.header.machine_type, "another machine")
    needed = [str(library) for library in binary.libraries]
    if binary.has_interpreter or needed:
        raise PackageError(
            f"{program} is not static (it needs {binary.interpreter or ', '.join(needed)}),"
            f" so it can't serve {' and '.join(platform.wheel_tags)}"
        )
    wrong = [
        tag for tag in platform.wheel_tags if not (tag.startswith(_ANY_LINUX) and tag.endswith(f"_{machine}"))
    ]
    _refuse(program, f"Linux on {machine}", wrong)


def _check_macho(platform: Platform, program: Path, binary: lief.MachO.Binary) -> None:
    machine = _MACHO.get(binary.header.cpu_type, "another machine")
    stated = binary.build_version.minos if binary.build_version else None
    if stated is None:
        raise PackageError(f"{program} does not state its lowest macOS")
    lowest = f"macosx_{stated[0]}_{stated[1]}_{machine}"
    _refuse(program, lowest, [tag for tag in platform.wheel_tags if tag != lowest])


def _refuse(program: Path, needs: str, wrong: list[str]) -> None:
    if wrong:
        raise PackageError(f"{program} runs on {needs}, but recipes/platforms.toml says {', '.join(wrong)}")
