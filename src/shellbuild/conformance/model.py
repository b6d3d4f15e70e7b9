"""What conformance is about: three ways to run a script, what a run gave, and what is concluded from it.

Plain data; nothing here starts a process or decides anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellSet:
    """The shells of one release that are held against each other, and the suite's source tree."""

    name: str
    release: str
    unpatched: Path
    patched: Path
    tree: Path
    """Upstream's source tree as it was fetched; only read."""
    functions: Path | None
    """zsh: its function library."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Settings of the shells beside the suite's own, such as a sanitizer's."""


class Way(StrEnum):
    """How a script of the suite is run."""

    UNPATCHED = "unpatched"
    PATCHED = "patched"
    WRAPPED = "wrapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run of one script gave."""

    status: int | None
    """Exit status, negative for a signal, None when the deadline ended the run."""
    output: bytes
    """Everything the script printed, after the suite's normalisation."""
    seconds: float = field(default=0.0, compare=False)


class Verdict(StrEnum):
    """What is concluded about one script."""

    SAME = "same"
    DIFFERENT = "different"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way whose outcome is not the unpatched shell's."""

    way: Way
    unpatched_status: int | None
    status: int | None
    diff: Path
    """Unified diff of the two outputs, cut to a readable length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptResult:
    """The verdict on one script and what it rests on."""

    script: str
    verdict: Verdict
    runs: int
    note: str = ""
    """Why it is unstable, or that it took more than one try; empty in the plain case."""
    listed: bool = False
    """The recipe accepts that this script is unstable."""
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """Upstream's suite of one release, run all three ways."""

    name: str
    release: str
    scripts: tuple[ScriptResult, ...]
    problems: tuple[str, ...] = ()
    """What is wrong beside the scripts themselves, such as a listed script that the suite doesn't have."""
    seconds: float = 0.0

    def having(self, verdict: Verdict) -> tuple[ScriptResult, ...]:
        """Give the scripts with one verdict."""
        return tuple(script for script in self.scripts if script.verdict is verdict)

    @property
    def unlisted(self) -> tuple[ScriptResult, ...]:
        """Scripts that are unstable though the recipe doesn't say so."""
        return tuple(script for script in self.having(Verdict.UNSTABLE) if not script.listed)

    @property
    def retried(self) -> tuple[ScriptResult, ...]:
        """Scripts that came out the same, but not at the first try."""
        return tuple(script for script in self.having(Verdict.SAME) if script.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command that runs one script in one slot."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    records: tuple[Path, ...] = ()
    """Files that belong to the output beside what was printed; they may be absent."""
    deadline_s: float


class Suite(Protocol):
    """What the runner needs to know about one upstream suite."""

    @property
    def name(self) -> str:
        """Name of the shell."""
        ...

    @property
    def version(self) -> str:
        """Shell words that expand to the version."""
        ...

    @property
    def slow(self) -> tuple[str, ...]:
        """Scripts that take longest, longest first; they are started first."""
        ...

    @property
    def side_by_side(self) -> frozenset[str]:
        """Scripts whose ways run at the same time, each in a slot of its own."""
        ...

    def scripts(self, tree: Path) -> list[str]:
        """List the suite's scripts."""
        ...

    def prepare(self, shells: ShellSet, programs: Path) -> None:
        """Make what all slots share."""
        ...

    def furnish(self, shells: ShellSet, programs: Path, slot: Path) -> None:
        """Lay out one slot's folder."""
        ...

    def shell_place(self, slot: Path) -> Path:
        """Say where the shell under test belongs."""
        ...

    def run_folder(self, slot: Path) -> Path:
        """Name the folder that scripts run in and litter; it is restored before each run."""
        ...

    def job(self, script: str, slot: Path) -> Job:
        """Say how to run one script."""
        ...

    def normalise(self, output: bytes, pid: int) -> bytes:
        """Replace what differs from run to run by nature; `pid` is the process that ran the script."""
        ...
