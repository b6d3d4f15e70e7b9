"""What every program that ships has to be, read from the file itself with lief; nothing is run.

ELF: for its machine, static, position independent with RELRO and bound at start, stack not executable, stripped.
Mach-O: for its machine and lowest macOS, system libraries only, ad-hoc signature that fits every page, stripped.
Both: no segment writable and executable, no path of the machine that built it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import lief

from shellbuild.builder.code_signature import signature_faults
from shellbuild.cache import cache_root
from shellbuild.errors import VendorError
from shellbuild.platforms import Platform
from shellbuild.project import ROOT, load_project
from shellbuild.toolchain import zig_program

# It writes to stderr what it could not read, which is for its callers to judge.
lief.logging.disable()

_ELF_MACHINES = {"x86_64": lief.ELF.ARCH.X86_64, "aarch64": lief.ELF.ARCH.AARCH64}
_MACHO_MACHINES = {
    "x86_64": lief.MachO.Header.CPU_TYPE.X86_64,
    "aarch64": lief.MachO.Header.CPU_TYPE.ARM64,
}
_WRITE_RUN = 0b110
"""Of the protection of a Mach-O segment: VM_PROT_WRITE | VM_PROT_EXECUTE."""

TELLTALES = (b"ziglang/lib", b"zig-cache", b"shellbuild-", b"/builds/ncurses-")
"""In paths that only a machine which builds has, whatever its folders are called."""


def check_programs(programs: Mapping[str, Path], platform: Platform) -> None:
    """Raise VendorError with all that is wrong with these programs, which are named as in the vendor tree."""
    problems = [
        f"{name}: {fault}" for name, path in programs.items() for fault in program_faults(path, platform)
    ]
    if problems:
        raise VendorError("these programs can't ship:\n" + "\n".join(problems))


def parse_program(
    data: bytes,
) -> lief.ELF.Binary | lief.MachO.Binary | lief.PE.Binary | lief.COFF.Binary | None:
    """Read a program; None for what is none. From memory: some of lief's parsers of files keep them open."""
    return lief.parse(list(data)) if data else None


def program_faults(path: Path, platform: Platform) -> list[str]:
    """Give what is wrong with one program."""
    data = path.read_bytes()
    binary = parse_program(data)
    match binary, platform.os:
        case lief.ELF.Binary(), "linux":
            faults = list(_elf_faults(binary, platform))
        case lief.MachO.Binary(), "macos":
            allowed = allowed_libraries(path.name, platform)
            faults = [*_macho_faults(binary, platform, allowed), *signature_faults(data)]
        case _:
            return [f"is no program for {platform.os}"]
    return faults + [f"holds the path {found}" for found in build_paths(data)]


def allowed_libraries(name: str, platform: Platform) -> tuple[str, ...]:
    """Give the libraries that the program's recipe lets it name."""
    project = load_project()
    recipe = project.recipes.get(name, project.native)
    return recipe.allowed_libraries[platform.os]


def build_paths(data: bytes) -> list[str]:
    """Give the folders of this machine, and of builders in general, that are named in a program."""
    own = [str(cache_root()), str(ROOT), str(zig_program().parent), str(Path.home())]
    # A short one is a common word: /root stands in many programs.
    places = [os.fsencode(place) for place in own if place.count("/") > 1]
    return sorted({place.decode() for place in (*places, *TELLTALES) if place in data})


def _elf_faults(binary: lief.ELF.Binary, platform: Platform) -> Iterator[str]:
    if binary.header.machine_type != _ELF_MACHINES[platform.arch]:
        yield f"is for {binary.header.machine_type.name}, not {platform.arch}"
    needed = [str(library) for library in binary.libraries]
    if binary.has_interpreter or needed:
        yield f"is not static: it needs {binary.interpreter or ', '.join(needed)}"
    if not binary.is_pie:
        yield "is not position independent"
    segments = {segment.type: segment for segment in binary.segments}
    flags = lief.ELF.Segment.FLAGS
    stack = segments.get(lief.ELF.Segment.TYPE.GNU_STACK)
    if stack is None or stack.has(flags.X):
        yield "asks for an executable stack"
    if lief.ELF.Segment.TYPE.GNU_RELRO not in segments:
        yield "has no RELRO segment"
    entry = binary.get(lief.ELF.DynamicEntry.TAG.FLAGS)
    if not (
        isinstance(entry, lief.ELF.DynamicEntryFlags) and entry.has(lief.ELF.DynamicEntryFlags.FLAG.BIND_NOW)
    ):
        yield "is not bound at start"
    if any(segment.has(flags.W) and segment.has(flags.X) for segment in binary.segments):
        yield "has a segment that is writable and executable"
    if list(binary.symtab_symbols) or any(
        str(section.name).startswith(".debug") for section in binary.sections
    ):
        yield "is not stripped"


def _macho_faults(binary: lief.MachO.Binary, platform: Platform, allowed: tuple[str, ...]) -> Iterator[str]:
    if binary.header.cpu_type != _MACHO_MACHINES[platform.arch]:
        yield f"is for {binary.header.cpu_type.name}, not {platform.arch}"
    version = binary.build_version
    if version is None or version.platform != lief.MachO.BuildVersion.PLATFORMS.MACOS:
        yield "does not state its lowest macOS"
    elif (lowest := f"{version.minos[0]}.{version.minos[1]}") != platform.minimum_os:
        yield f"wants macOS {lowest}, not {platform.minimum_os}"
    others = sorted({str(library.name) for library in binary.libraries} - {*allowed})
    if others:
        yield f"needs {', '.join(others)}, which the recipe does not allow"
    if list(binary.rpaths):
        yield f"looks for libraries in {', '.join(str(rpath.path) for rpath in binary.rpaths)}"
    if not binary.is_pie:
        yield "is not position independent"
    if lief.MachO.Header.FLAGS.ALLOW_STACK_EXECUTION in binary.header.flags_list:
        yield "asks for an executable stack"
    if any(segment.init_protection & _WRITE_RUN == _WRITE_RUN for segment in binary.segments):
        yield "has a segment that is writable and executable"
    if any(symbol.raw_type & _DEBUG_SYMBOL for symbol in binary.symbols):
        yield "is not stripped"


_DEBUG_SYMBOL = 0xE0
"""N_STAB: an entry for debuggers."""
