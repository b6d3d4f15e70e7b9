"""The shells under test, the C wrappers, and an arena for each test.

Shells come from CONTRACT_BASH, CONTRACT_BASH_UNPATCHED, CONTRACT_ZSH and CONTRACT_ZSH_UNPATCHED, else from the
project's cached builds. CONTRACT_SANITIZE=address|valgrind takes builds that look for memory faults and fails
every test that leaves a report; CONTRACT_RUNNER is a command that starts the shells. CONTRACT_WRAPPER_TARGET is the zig
target of the C programs, CONTRACT_COMMAND_TARGET that of the shells, and of the commands which they run, where it is another.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.arena import EMULATED, LINUX, Arena, Shell
from zig import compile_with_zig

SHELLS = ("bash", "zsh")
CHECKER = os.environ.get("CONTRACT_SANITIZE")
WRAPPERS = Path(__file__).parent.parent / "wrappers"


def pytest_configure(config: pytest.Config) -> None:
    """Declare this folder's markers."""
    config.addinivalue_line("markers", "contract: a clause of the EXEC_WRAPPER contract")
    config.addinivalue_line("markers", "valgrind: runs under valgrind too, where each shell takes a second")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Under valgrind, keep the tests that are for it: it also dies where the kernel refuses an exec."""
    if CHECKER != "valgrind":
        return
    others = [item for item in items if not item.get_closest_marker("valgrind")]
    items[:] = [item for item in items if item.get_closest_marker("valgrind")]
    config.hook.pytest_deselected(items=others)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile tests/wrappers/*.c."""
    folder = tmp_path_factory.mktemp("programs")
    target = os.environ.get("CONTRACT_WRAPPER_TARGET", "x86_64-linux-musl")
    for source in sorted(WRAPPERS.glob("*.c")):
        compile_c(source, folder / source.stem, target)
    if EMULATED:
        target = os.environ["CONTRACT_COMMAND_TARGET"]
        compile_c(WRAPPERS / "show.c", folder / "show", target)
    if EMULATED or not LINUX:
        # What zoo.py takes for its ELF files; a kernel that starts no ELF programs has to refuse them all.
        target = os.environ.get("CONTRACT_COMMAND_TARGET", "x86_64-linux-musl")
        compile_c(WRAPPERS / "show.c", folder / "static", target)
        compile_c(WRAPPERS / "show.c", folder / "dynamic", target, static=False)
    return folder


def compile_c(source: Path, program: Path, target: str, *, static: bool = True) -> None:
    """Compile a C program for a zig target."""
    # macOS has no static libc.
    linked = [] if "macos" in target else ["-static"] if static else ["-dynamic"]
    flags = ["-O1", *linked, "-s", "-fno-sanitize=undefined", "-Wall", "-Wextra", "-Werror"]
    compile_with_zig(target, source, program, *flags)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where memory checkers write, so that a script which hides its stderr doesn't hide a report."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="session")
def runner(reports: Path) -> tuple[str, ...]:
    """What starts the shells, besides the kernel."""
    given = os.environ.get("CONTRACT_RUNNER")
    if given:
        return tuple(shlex.split(given))
    match CHECKER:
        case "address":
            options = f"detect_leaks=0:detect_stack_use_after_return=1:exitcode=99:log_path={reports}/asan"
            return ("/usr/bin/env", f"ASAN_OPTIONS={options}")
        case "valgrind":
            return ("valgrind", "-q", "--error-exitcode=99", f"--log-file={reports}/valgrind.%p")
    return ()


@pytest.fixture(scope="session")
def shell_named(runner: tuple[str, ...]) -> Callable[[str], Shell]:
    """Find or build the two binaries of a shell, once."""
    found: dict[str, Shell] = {}

    def find(name: str) -> Shell:
        if name not in found:
            patched, unpatched = _binary(name, patched=True), _binary(name, patched=False)
            found[name] = Shell(name=name, patched=patched, unpatched=unpatched, runner=runner)
        return found[name]

    return find


def _binary(name: str, *, patched: bool) -> Path:
    given = os.environ.get(f"CONTRACT_{name.upper()}" + ("" if patched else "_UNPATCHED"))
    if given:
        return Path(given).resolve(strict=True)
    from shellbuild.builder import build_shell  # only where something is to be built
    from shellbuild.sanitize import Sanitize

    return build_shell(name, patched=patched, sanitize=Sanitize(CHECKER) if CHECKER else None).resolve()


@pytest.fixture(scope="session", params=SHELLS)
def shell(request: pytest.FixtureRequest, shell_named: Callable[[str], Shell]) -> Shell:
    """Each of the shells in turn, or those that a table of cases names."""
    return shell_named(request.param)


@pytest.fixture
def arena(tmp_path: Path, shell: Shell, programs: Path, reports: Path) -> Iterator[Arena]:
    """A world for one test; a report of a memory checker fails the test that provoked it."""
    yield Arena(root=tmp_path / "arena", shell=shell, programs=programs)
    found = [text for file in sorted(reports.iterdir()) if (text := _take(file))]
    assert not found, "\n".join(found)


def _take(report: Path) -> str:
    text = report.read_text(encoding="utf-8", errors="replace")[:20_000]
    report.unlink()
    return text
