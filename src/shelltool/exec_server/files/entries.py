"""From a path to the open folder and the name in it that calls take.

With `follow=False` no link is followed on the way either: name by name, because openat2(2) is not there in a sandbox.
"""

import errno
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shelltool.exec_server.files.calls import FOLDER, Calls


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder that is open."""

    folder: int
    name: str


def system_error(number: int, path: str) -> OSError:
    """Give the error that the kernel would."""
    return OSError(number, os.strerror(number), path)


@contextmanager
def entry_at(calls: Calls, path: str, *, follow: bool = True) -> Iterator[Entry]:
    """Open the folder that a path ends in. The root, which is in none, is busy."""
    parent, name = posixpath.split(path.rstrip("/"))
    if not name:
        raise system_error(errno.EBUSY, path)
    if name in {".", ".."}:
        raise system_error(errno.EINVAL, path)
    folder = open_folder(calls, parent or "/", follow=follow)
    try:
        yield Entry(folder, name)
    finally:
        os.close(folder)


def open_folder(calls: Calls, path: str, *, follow: bool = True) -> int:
    """Open a folder, to name what is in it."""
    if follow:
        return calls.open(path, FOLDER)
    here = calls.open("/", FOLDER)
    for name in filter(None, path.split("/")):
        try:
            there = calls.open(name, FOLDER | os.O_NOFOLLOW, folder=here)
        finally:
            os.close(here)
        here = there
    return here


def future_path(calls: Calls, path: str) -> str:
    """Follow every link on the way to what is there, or will be."""
    path = path.rstrip("/") or "/"
    rest: list[str] = []
    while True:
        try:
            return posixpath.normpath(posixpath.join(calls.real_path(path), *reversed(rest)))
        except FileNotFoundError:
            path, name = posixpath.split(path)
            rest.append(name)
