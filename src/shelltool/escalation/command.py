"""What an executor is given and what it gives back: a shell command with its sandbox, and how that ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shelltool.escalation.policy import Judged
from shelltool.escalation.program import CouldWrite

TIMED_OUT_CODE = 124
"""As timeout(1) has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How the shell is confined: what is put in front of its argv, and what it could write from there.

    `could_write` gets an absolute path without links in its folders (a file, a link or a folder; it need not exist)
    and tells whether a process in the sandbox could create, replace or change it. It is called on threads. None, for
    a shell without a sandbox: see `unconfined_could_write` in `program.py`.
    """

    prefix: tuple[str, ...] = ()
    could_write: CouldWrite | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """What to run. `env` is the shell's environment; None: the server's own. The wrapper's variables are added."""

    argv: tuple[str, ...]
    workdir: Path
    timeout_s: float | None = None
    sandbox: Sandbox = field(default_factory=Sandbox)
    env: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How it ended. `exit_code` is 128+n after signal n, and TIMED_OUT_CODE after the deadline."""

    exit_code: int
    timed_out: bool
    duration_s: float
    judged: tuple[Judged, ...]
    judged_count: int
    """How many execs were judged; `judged` holds the first thousand."""
