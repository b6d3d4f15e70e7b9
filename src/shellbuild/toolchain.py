"""Compilers: `zig cc` for everything we ship, the host's own compiler for builds that only look for faults.

A toolchain is a folder of small wrapper scripts with absolute paths (configure and sub-makes change folders)
and a PATH that holds a chosen list of the host's tools and no compiler, linker or archiver of its own.
"""

import hashlib
import importlib.metadata
import os
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shellbuild.cache import appearing_folder, cache_root, entry_lock
from shellbuild.errors import ToolchainError
from shellbuild.platforms import Platform
from shellbuild.process import capture
from shellbuild.project import NATIVE
from shellbuild.sanitize import Sanitize

HOST_TOOLS = (
    *(
        "awk",
        "basename",
        "cat",
        "chmod",
        "cmp",
        "comm",
        "cp",
        "cut",
        "date",
        "diff",
        "dirname",
        "echo",
        "egrep",
    ),
    *(
        "env",
        "expr",
        "false",
        "find",
        "fgrep",
        "grep",
        "head",
        "hostname",
        "id",
        "install",
        "join",
        "ln",
        "ls",
    ),
    *(
        "make",
        "mkdir",
        "mktemp",
        "mv",
        "nproc",
        "od",
        "paste",
        "printf",
        "pwd",
        "readlink",
        "rm",
        "rmdir",
        "sed",
    ),
    *(
        "sh",
        "sleep",
        "sort",
        "tail",
        "tee",
        "test",
        "touch",
        "tr",
        "true",
        "tty",
        "uname",
        "uniq",
        "wc",
        "xargs",
    ),
)
OPTIONAL_TOOLS = ("autoconf", "autoheader", "autom4te", "m4", "perl")
"""Only a zsh tree from git asks for these."""

COMMON_CFLAGS = (
    # For size: the shells run as fast as with -O2 (docs/building.md has figures) and are a fifth smaller.
    *("-Os", "-g0", "-fno-sanitize=undefined", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"),
    # Frame tables are for C++ exceptions and debuggers: a tenth of a stripped program that has neither.
    *("-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-fdata-sections"),
    # C of the nineties: newer clang makes these errors.
    *("-Wno-implicit-int", "-Wno-implicit-function-declaration", "-Wno-int-conversion"),
    *("-Wno-incompatible-function-pointer-types", "-Wno-deprecated-non-prototype"),
)
FAULT_CFLAGS = ("-O1", "-g", "-fno-omit-frame-pointer", "-w")

_ZIG_SCRIPT = """\
#!/bin/sh
export ZIG_LIB_DIR={library}
{zig} {command} "$@" && exit 0
status=$?
# A failed `zig cc` may leave an empty output behind, from which configure would draw wrong conclusions.
previous=
for argument do
  if [ "$previous" = -o ] && [ -f "$argument" ] && [ ! -s "$argument" ]; then rm -f "$argument"; fi
  previous=$argument
done
exit $status
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """What a build step compiles with."""

    identity: str
    """Goes into every build's key."""
    cc: Path
    build_cc: Path
    """Compiles programs that run on this machine during the build."""
    ar: str
    ranlib: str
    ld: str
    cflags: tuple[str, ...]
    ldflags: tuple[str, ...]
    configure_host: str | None
    cross: bool = True
    """Whether configure is told the answers that it can't find by running; false only to check them."""
    path: Path


@cache
def zig_identity() -> str:
    """Name the compiler; part of every build's key."""
    return f"ziglang {importlib.metadata.version('ziglang')}"


def toolchain_identity(sanitize: Sanitize | None) -> str:
    """Name the compiler of a build without making its wrapper scripts."""
    if sanitize is None:
        return zig_identity()
    return capture([_host_cc(), "--version"]).splitlines()[0]


def zig_toolchain(platform: Platform, build_platform: Platform) -> Toolchain:
    """Give `zig cc` for a platform; `build_platform` is the machine we run on."""
    zig = zig_program()
    folder = _folder(f"{zig} {_ZIG_SCRIPT} {HOST_TOOLS}")
    # Zig compiles a libc for each set of flags, with UBSan where there is no -O; and zsh's makefile links without CFLAGS.
    flags = (*COMMON_CFLAGS, *platform.cflags)
    cc = _script(
        folder, f"cc-{platform.target}", zig, " ".join(("cc", "-target", platform.zig_target, *flags))
    )
    # As static as all else, because the build machine need not have the C library that we link with; and with the same
    # flags. It also compiles, where the linker's own would go wrong.
    own = (*COMMON_CFLAGS, *build_platform.cflags, *build_platform.ldflags)
    build = (flag for flag in own if not flag.startswith("-Wl,"))
    native = " ".join(("cc", "-target", build_platform.zig_target, *build))
    return Toolchain(
        identity=zig_identity(),
        cc=cc,
        build_cc=_script(folder, "build-cc", zig, native),
        ar=str(_script(folder, "ar", zig, "ar")),
        ranlib=str(_script(folder, "ranlib", zig, "ranlib")),
        ld=str(_script(folder, "ld", zig, "ld.lld")),
        cflags=(*flags, *_own_headers(platform)),
        ldflags=platform.ldflags,
        configure_host=platform.configure_host,
        path=_tool_folder(folder),
    )


def host_toolchain(sanitize: Sanitize) -> Toolchain:
    """Give the host's compiler with debug information, and AddressSanitizer where asked for."""
    cc = _host_cc()
    folder = _folder(f"host {cc} {HOST_TOOLS}")
    extra = ("-fsanitize=address",) if sanitize is Sanitize.ADDRESS else ()
    return Toolchain(
        identity=toolchain_identity(sanitize),
        cc=cc,
        build_cc=cc,
        ar="/usr/bin/ar",
        ranlib="/usr/bin/ranlib",
        ld="/usr/bin/ld",
        cflags=(*FAULT_CFLAGS, *extra),
        ldflags=extra,
        configure_host=None,
        # gcc itself looks for its assembler and linker on PATH.
        path=_tool_folder(folder, extra=("as", "ld", "gcc", "cc")),
    )


def build_environment(toolchain: Toolchain, *, home: Path) -> dict[str, str]:
    """The whole environment of a build step: nothing of the user's comes through."""
    zig_cache = str(cache_root() / "zig")
    return {
        "PATH": str(toolchain.path),
        "HOME": str(home),
        "TMPDIR": str(home),
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "315532800",
        # configure's test programs end without freeing what they took.
        "ASAN_OPTIONS": "detect_leaks=0",
        "ZIG_GLOBAL_CACHE_DIR": zig_cache,
        "ZIG_LOCAL_CACHE_DIR": zig_cache,
    }


@cache
def zig_program() -> Path:
    """Find the zig binary of the `ziglang` package; raise ToolchainError when it isn't installed."""
    try:
        files = importlib.metadata.files("ziglang") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolchainError("ziglang is not installed; run `pip install --group build`") from error
    for file in files:
        if file.parts == ("ziglang", "zig"):
            return Path(str(file.locate())).resolve()
    raise ToolchainError("the installed ziglang package holds no zig program; reinstall it")


def _zig_library(zig: Path) -> Path:
    """Give zig's libraries at a place that all virtual environments share: zig's cache knows them by their path."""
    place = cache_root() / "toolchain" / f"zig-{importlib.metadata.version('ziglang')}"
    if not place.is_dir():
        with entry_lock(place):
            if not place.is_dir():
                with appearing_folder(place) as staging:
                    shutil.copytree(
                        zig.with_name("lib"), staging, dirs_exist_ok=True, copy_function=_link_or_copy
                    )
    return place


def headers_digest(platform: Platform) -> str:
    """SHA-256 (hex) of the system headers that zig lacks and we bring; part of every build's key."""
    folder = own_headers(platform)
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.h")):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def own_headers(platform: Platform) -> Path:
    """Name the folder of those headers; where there are none, it does not exist."""
    return NATIVE / platform.os


def _own_headers(platform: Platform) -> tuple[str, ...]:
    folder = own_headers(platform)
    return ("-idirafter", str(folder)) if folder.is_dir() else ()


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _host_cc() -> Path:
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        raise ToolchainError("a sanitizer build needs gcc on PATH: apt-get install gcc libc6-dev")
    return Path(found)


def _folder(recipe: str) -> Path:
    name = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    folder = cache_root() / "toolchain" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _script(folder: Path, name: str, zig: Path, command: str) -> Path:
    target = folder / name
    text = _ZIG_SCRIPT.format(library=_zig_library(zig), zig=zig, command=command)
    if not (target.is_file() and target.read_text(encoding="utf-8") == text):
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o755)
        fresh.rename(target)
    return target


def _tool_folder(folder: Path, extra: tuple[str, ...] = ()) -> Path:
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    missing = [name for name in (*HOST_TOOLS, *extra) if not _link(tools, name)]
    if missing:
        raise ToolchainError(f"the build needs {', '.join(missing)} on PATH; install make and the base tools")
    for name in OPTIONAL_TOOLS:
        _link(tools, name)
    return tools


def _link(tools: Path, name: str) -> bool:
    found = shutil.which(name)
    if found is None:
        return False
    link = tools / name
    if not link.is_symlink():
        fresh = tools / f".{name}.{os.getpid()}"
        fresh.symlink_to(found)
        fresh.rename(link)
    return True
