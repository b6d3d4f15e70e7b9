"""Upstream's suites under builds that look for memory faults; no report may name the patched code.

What the scripts print is not compared here: a checker is slower and louder than a shell. Reports on upstream's own
code are counted, not judged, because the unpatched shell has them too.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shellbuild.builder import build_shell, make_request
from shellbuild.cache import cache_root, entry_lock, remove_tree
from shellbuild.conformance.crew import Crew
from shellbuild.conformance.model import ShellSet, Way
from shellbuild.conformance.programs import PASSTHROUGH, compile_program
from shellbuild.conformance.run import SUITES
from shellbuild.console import note, show_table, step
from shellbuild.errors import ConformanceError, ToolchainError
from shellbuild.project import BUILD
from shellbuild.sanitize import Sanitize
from shellbuild.sources import obtain_source

PATCHED_CODE = ("exec_wrapper", "exec_refusal", "wrapped_execve")
REPORT_BYTES = 1 << 20
VALGRIND_SCRIPTS = {
    # A shell takes a second to start under valgrind and the suites start thousands; these are about running commands.
    "bash": ("run-execscript", "run-comsub", "run-procsub", "run-redir", "run-getopts", "run-vredir"),
    "zsh": ("A01grammar.ztst", "A04redirect.ztst", "A05execution.ztst", "D03procsubst.ztst"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryResult:
    """What a checker said about one shell's suite."""

    name: str
    checker: Sanitize
    scripts: int
    reports: int
    ours: tuple[str, ...]
    """Texts of the reports that name the patched code."""


def check_memory(shells: Sequence[str], checkers: Sequence[Sanitize], only: Sequence[str], jobs: int) -> None:
    """Run the suites under each checker; raise ConformanceError when a report names the patched code."""
    results = [_check(name, checker, only, jobs) for name in shells for checker in checkers]
    rows = [(f"{r.name}, {r.checker}", str(r.scripts), str(r.reports), str(len(r.ours))) for r in results]
    show_table(
        "upstream's suites under memory checkers", ("suite", "scripts", "reports", "in patched code"), rows
    )
    faults = [text for result in results for text in result.ours]
    if faults:
        raise ConformanceError("\n".join(faults))


def _check(name: str, checker: Sanitize, only: Sequence[str], jobs: int) -> MemoryResult:
    work = BUILD / "memory" / f"{name}-{checker}"
    remove_tree(work)
    reports, programs = work / "reports", work / "programs"
    for folder in (reports, programs):
        folder.mkdir(parents=True)
    suite = SUITES[name]
    shells = _shells(name, checker, work)
    default = VALGRIND_SCRIPTS[name] if checker is Sanitize.VALGRIND else suite.scripts(shells.tree)
    chosen = only or default
    compile_program(PASSTHROUGH, programs / "passthrough")
    suite.prepare(shells, programs)
    with (
        step(f"{name}: {len(chosen)} scripts under {checker}"),
        entry_lock(cache_root() / "conformance"),
        Crew(suite, shells, programs=programs, folder=work / "slots", size=jobs * 2) as crew,
    ):
        for future in [crew.submit(script, (Way.WRAPPED,)) for script in chosen]:
            future.result()
    remove_tree(work / "slots")
    found = [_read(file) for file in sorted(reports.iterdir())]
    ours = tuple(text for text in found if any(part in text for part in PATCHED_CODE))
    note(f"reports: {reports}")
    return MemoryResult(
        name=name, checker=checker, scripts=len(chosen), reports=sum(map(bool, found)), ours=ours
    )


def _shells(name: str, checker: Sanitize, work: Path) -> ShellSet:
    shell = build_shell(name, sanitize=checker)
    request = make_request(name)
    tree = obtain_source(name, request.version, request.release.sources).path
    functions = shell.parent / "functions"
    env = {}
    if checker is Sanitize.ADDRESS:
        if b"__asan_init" not in shell.read_bytes():
            raise ToolchainError(
                f"{shell} holds no AddressSanitizer; remove it from the cache and build again"
            )
        # Shells leave their memory to the kernel when they end, so leaks say nothing.
        env["ASAN_OPTIONS"] = f"detect_leaks=0:log_path={work / 'reports' / 'asan'}"
    else:
        shell = _launcher(shell, work)
    return ShellSet(
        name=name,
        release=request.version,
        unpatched=shell,
        patched=shell,
        tree=tree,
        functions=functions if functions.is_dir() else None,
        env=env,
    )


def _launcher(shell: Path, work: Path) -> Path:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise ToolchainError("valgrind is not on PATH: apt-get install valgrind")
    launcher = work / "launcher"
    log = work / "reports" / "valgrind.%p"
    launcher.write_text(f'#!/bin/sh\nexec {valgrind} -q --log-file={log} {shell} "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return launcher


def _read(report: Path) -> str:
    with report.open("rb") as stream:
        return stream.read(REPORT_BYTES).decode("utf-8", "replace")
