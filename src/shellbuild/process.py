"""The one way to run a child process: echoed, logged, with a deadline, its whole group ended with it.

Children get no terminal and no standard input, so nothing can wait for a key that nobody presses.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from shellbuild.console import echo
from shellbuild.errors import StepError

LOG_TAIL_BYTES = 6_000
LOG_TAIL_LINES = 25

Argv = Sequence[str | os.PathLike[str]]


def run_logged(
    argv: Argv, *, cwd: Path, env: Mapping[str, str], log: Path, deadline_s: float = 1_800
) -> None:
    """Run `argv` with stdout and stderr appended to `log`; raise StepError with the log's last lines."""
    echo(argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        status = _wait(_start(argv, cwd=cwd, env=env, output=sink), argv, deadline_s)
    if status != 0:
        raise StepError(
            f"{os.fspath(argv[0])} ended with status {status} in {cwd}\n{log_tail(log)}\nfull log: {log}"
        )


def capture(
    argv: Argv, *, cwd: Path | None = None, env: Mapping[str, str] | None = None, deadline_s: float = 120
) -> str:
    """Run `argv` quietly and return its stdout; raise StepError with its stderr when it fails."""
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline_s,
            check=False,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise StepError(f"{os.fspath(argv[0])}: {error.strerror}; is it installed?") from error
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{os.fspath(argv[0])} ran longer than {deadline_s:.0f} s and was ended") from error
    if done.returncode != 0:
        raise StepError(f"{os.fspath(argv[0])} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def log_tail(log: Path) -> str:
    """Give the last lines of a log file, read from its end."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        text = stream.read(LOG_TAIL_BYTES).decode("utf-8", "replace")
    return "\n".join(f"  | {line}" for line in text.splitlines()[-LOG_TAIL_LINES:])


def _start(argv: Argv, *, cwd: Path, env: Mapping[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise StepError(f"{os.fspath(argv[0])}: {error.strerror}; is it installed?") from error


def _wait(child: subprocess.Popen[bytes], argv: Argv, deadline_s: float) -> int:
    try:
        return child.wait(deadline_s)
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{os.fspath(argv[0])} ran longer than {deadline_s:.0f} s and was ended") from error
    finally:
        # Also after Ctrl-C and after a normal end: a build step leaves no process behind.
        _end_group(child)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
