"""Rules that a person agreed to, appended to `$CODEX_HOME/rules/default.rules`.

Other programs append to the same file under an advisory lock on the file itself, so this does too, and writes
in place: a rename would leave them waiting for the lock of a file that is gone. A line is written by one call
and taken back if it did not fit.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from shelltool.errors import AmendmentError
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.hosts import parse_host, parse_protocol
from shelltool.execpolicy.invalid import StatementError
from shelltool.execpolicy.loading import LARGEST_FILE

FILE_NAME = "default.rules"
_LOCK_SECONDS = 5.0
_LOCK_INTERVAL = 0.02
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def append_prefix_rule(codex_home: Path, prefix: Sequence[str], decision: Decision = Decision.ALLOW) -> bool:
    """Persist a rule for commands that begin like this; False if the same line is there already."""
    if not prefix:
        raise AmendmentError("no rule was written: a prefix needs at least one word")
    pattern = ", ".join(_literal(word) for word in prefix)
    return _append(codex_home, f'prefix_rule(pattern=[{pattern}], decision="{decision.word}")')


def append_network_rule(
    codex_home: Path, host: str, protocol: str, decision: Decision, justification: str | None = None
) -> bool:
    """Persist a rule about a host; False if the same line is there already."""
    word = "deny" if decision is Decision.FORBIDDEN else decision.word
    try:
        arguments = {"host": parse_host(host), "protocol": parse_protocol(protocol), "decision": word}
    except StatementError as refusal:
        raise AmendmentError(f"no rule was written: {refusal}") from refusal
    if justification is not None and justification.strip():
        arguments["justification"] = justification
    return _append(
        codex_home,
        f"network_rule({', '.join(f'{name}={_literal(value)}' for name, value in arguments.items())})",
    )


def _literal(text: str) -> str:
    """Return text as a literal that JSON and Starlark read alike; Starlark knows no surrogate pairs."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise AmendmentError("no rule was written: the command is not valid UTF-8, and rules are text")
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _append(codex_home: Path, line: str) -> bool:
    folder = codex_home / "rules"
    path = folder / FILE_NAME
    try:
        # Only this folder: a missing home means that nobody set Codex up here.
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        with _locked(path) as descriptor:
            return _append_line(descriptor, line)
    except OSError as error:
        raise AmendmentError(f"{path}: no rule was written: {error.strerror}") from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open the file and hold its lock; again, if it was replaced while we waited."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() <= deadline:
        descriptor = os.open(path, _FLAGS, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            _lock(descriptor, deadline)
            if _is_still(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)
    raise TimeoutError(errno.ETIMEDOUT, "it is replaced again and again")


def _lock(descriptor: int, deadline: float) -> None:
    # flock has no timeout, and whoever holds the lock may never let go.
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another program holds its lock") from None
            time.sleep(_LOCK_INTERVAL)
        else:
            return


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _append_line(descriptor: int, line: str) -> bool:
    size = os.fstat(descriptor).st_size
    if size > LARGEST_FILE:
        raise OSError(errno.EFBIG, "the file is too large to be loaded")
    existing = os.pread(descriptor, size, 0)
    wanted = line.encode()
    if wanted in existing.split(b"\n"):
        return False
    separator = b"" if existing.endswith(b"\n") or not existing else b"\n"
    addition = separator + wanted + b"\n"
    if os.write(descriptor, addition) != len(addition):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)
    return True
