"""Empty folders that keep protected names from being created: how they are known, and how the left ones are removed.

`native/linux_sandbox_guard.h` makes and removes them; its text says how they are shared. This module is for whoever
ended a sandbox's guard along with everything else: by the same locks, it removes what no running sandbox needs.
"""

import fcntl
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from shelltool.sandbox.paths import parent

PLACEHOLDER_TIME = 1_000_000_000
"""Their modification time; anything that is put into one changes it."""
PAUSE_S = 0.002


def is_empty(folder: str) -> bool:
    """Tell whether there is nothing in a folder, as in every placeholder; one that has just been removed was one."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False


def sweep(paths: Iterable[str], *, deadline_s: float = 1.0) -> list[str]:
    """Remove placeholders that nobody needs; give those that are still in use at the deadline.

    For after a sandbox was ended by force. Blocks for a few milliseconds: call it off the event loop.
    """
    ends = time.monotonic() + deadline_s
    left = list(paths)
    while True:
        left = [path for path in left if not _remove(path)]
        if not left or time.monotonic() >= ends:
            return left
        time.sleep(PAUSE_S)


def _remove(path: str) -> bool:
    """Remove one, if it is one and nobody holds it; tell whether there is nothing more to do."""
    with suppress(FileNotFoundError, NotADirectoryError):
        folder = os.open(parent(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return _remove_from(folder, Path(path).name)
        finally:
            os.close(folder)
    return True


def _remove_from(folder: int, name: str) -> bool:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        opened = os.open(name, flags, dir_fd=folder)
    except OSError:
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(opened)
        named = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if int(status.st_mtime) == PLACEHOLDER_TIME and os.path.samestat(status, named):
            os.rmdir(name, dir_fd=folder)
    except BlockingIOError:
        return False
    except OSError:
        return True  # somebody put something into it, or removed it
    finally:
        os.close(opened)
    return True
