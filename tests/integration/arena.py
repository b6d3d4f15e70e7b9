"""One test's own world: the shell at a fixed path, commands, wrappers, a home and what the recorder noted.

The patched and the unpatched shell take turns at the same path, so that messages which name it are equal.
Layout below the root: sh/<shell>, bin/{alpha,...} (each prints its argv), wrap/<wrapper>, home/, work/ (the cwd).
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.bounded import Result, Word, run_bounded

COMMANDS = ("alpha", "beta", "gamma", "evil")
NO_STARTUP_FILES = {"bash": ("--norc", "--noprofile"), "zsh": ("-f",)}
EMULATED = "CONTRACT_COMMAND_TARGET" in os.environ
"""Whether the shells, and the commands of an arena, are for another processor than wrappers and the system's commands."""
LINUX = sys.platform == "linux"
PROTECTED = (b"EXEC_WRAPPER", b"BASH_EXEC_WRAPPER", b"CODEX_ESCALATE_SOCKET")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A shell under test, its unpatched twin, and what starts them (valgrind, for example) if anything does."""

    name: str
    patched: Path
    unpatched: Path
    runner: tuple[str, ...] = ()

    @property
    def deadline_s(self) -> float:
        return 240.0 if self.runner or EMULATED else 30.0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Record:
    """One exec as the recorder saw it."""

    wrapper: bytes
    path: bytes
    argv: tuple[bytes, ...]
    protected: tuple[bytes, ...]
    socket: bytes
    cwd: bytes


@dataclass(kw_only=True)
class Arena:
    """Runs scripts in one shell, in a folder of its own."""

    root: Path
    shell: Shell
    programs: Path
    start_env: dict[str | bytes, Word] = field(default_factory=dict)
    """What each run starts with, beside its own."""

    def __post_init__(self) -> None:
        for folder in ("bin", "wrap", "sh", "home"):
            (self.root / folder).mkdir(parents=True)
        for name in COMMANDS:
            (self.root / "bin" / name).symlink_to(self.programs / "show")
        for name in ("passthrough", "recorder", "denier"):
            (self.root / "wrap" / name).symlink_to(self.programs / name)
        self.fresh_work()

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def path(self) -> Path:
        """Where the shell under test is, whichever of the two it is."""
        return self.root / "sh" / self.shell.name

    def fresh_work(self) -> None:
        """Empty the working folder, so that the next run starts as the one before did."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()

    def put(self, name: str, text: str | bytes, mode: int = 0o755) -> Path:
        """Write a file into the working folder; a str may name places as a script may."""
        target = self.work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else os.fsencode(self.fill(text)))
        target.chmod(mode)
        return target

    def wrapper(self, name: str) -> Path:
        return self.root / "wrap" / name

    def fill(self, text: str) -> str:
        """Put this arena's paths in: @bin@, @work@, @root@, @home@, @wrap@, @shell@ and `@shell -c@`."""
        quick = " ".join([str(self.path), *NO_STARTUP_FILES[self.shell.name], "-c"])
        text = text.replace("@shell -c@", quick).replace("@shell@", str(self.path))
        for name in ("bin", "work", "root", "home", "wrap"):
            text = text.replace(f"@{name}@", str(self.root if name == "root" else self.root / name))
        return text

    def install(self, *, patched: bool) -> Path:
        """Put one of the two shells at the path, behind a launcher where a runner starts it."""
        real = self.root / "sh" / "real" / self.shell.name if self.shell.runner else self.path
        real.parent.mkdir(exist_ok=True)
        real.unlink(missing_ok=True)
        real.symlink_to(self.shell.patched if patched else self.shell.unpatched)
        if self.shell.runner:
            self.path.write_text(f'#!/bin/sh\nexec {shlex.join([*self.shell.runner, str(real)])} "$@"\n')
            self.path.chmod(0o755)
        return self.path

    def environment(self, wrapper: str | None, extra: Mapping[Any, Word]) -> dict[bytes, bytes]:
        """Nothing of the user's: a path with this arena's commands in front, a home, the C locale."""
        env: dict[str | bytes, Word] = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": self.root / "home",
            "ZDOTDIR": self.root / "home",
            "LC_ALL": "C",
            "TERM": "dumb",
            **({} if wrapper is None else {"EXEC_WRAPPER": self.wrapper(wrapper)}),
            **self.start_env,
            **extra,
        }
        return {os.fsencode(key): os.fsencode(value) for key, value in env.items()}

    def run(
        self,
        script: str | None,
        *args: Word,
        wrapper: str | None = "recorder",
        patched: bool = True,
        flags: Sequence[str] | None = None,
        env: Mapping[Any, Word] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        fds: Mapping[int, int] | None = None,
    ) -> Result:
        """Run `shell flags -c script shell args`, or without a script `shell flags args`.

        `fds` gives the shell a descriptor of this process (the value) at a number (the key).
        """
        flags = NO_STARTUP_FILES[self.shell.name] if flags is None else flags
        body = [] if script is None else ["-c", self.fill(script), self.shell.name]
        places = [
            word
            for number, fd in (fds or {}).items()
            for word in (self.programs / "place", str(fd), str(number))
        ]
        return run_bounded(
            [*places, self.install(patched=patched), *flags, *body, *args],
            cwd=cwd or self.work,
            env=self.environment(wrapper, env or {}),
            stdin=stdin,
            pass_fds=tuple((fds or {}).values()),
            deadline_s=self.shell.deadline_s,
        )

    def records(self, wrapper: str = "recorder") -> list[Record]:
        """Give what a recorder noted since the last time, in the order of the execs."""
        log = self.root / "wrap" / f"{wrapper}.log"
        if not log.exists():
            return []
        fields = log.read_bytes().split(b"\0")
        log.unlink()
        assert fields.pop() == b""
        return _parse(fields)

    def calls(self) -> list[tuple[bytes, ...]]:
        """Give each recorded exec as (path, argv[0], argv[1], ...)."""
        return [(record.path, *record.argv) for record in self.records()]

    def call(self, text: str) -> tuple[bytes, ...]:
        """Read an expected exec: words as in a shell, the first of them `argv0` or `path=argv0`."""
        first, *rest = shlex.split(self.fill(text))
        path, equals, argv0 = first.rpartition("=")
        path = path if equals else argv0
        found = path if "/" in path else str(self.bin / path)
        return tuple(os.fsencode(word) for word in (found, argv0, *rest))


def _parse(fields: list[bytes]) -> list[Record]:
    """Read records as recorder.c writes them."""
    records = []
    rest = iter(fields)
    for mark in rest:
        assert mark == b"exec"
        handed = [next(rest) for _ in range(int(next(rest)))]
        protected = tuple(next(rest) for _ in range(int(next(rest))))
        records.append(Record(handed[0], handed[1], tuple(handed[2:]), protected, next(rest), next(rest)))
    return records
