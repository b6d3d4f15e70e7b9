"""Putting a folder back to how it was: a script of a suite must not see what another run left behind.

Copying a whole suite before every run would take longer than most scripts; so only what changed is copied again.
"""

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import remove_tree

Mark = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A folder and the pristine copy that it is restored from."""

    folder: Path
    pristine: Path
    marks: dict[str, Mark]


def take_snapshot(folder: Path, pristine: Path) -> Snapshot:
    """Copy `folder` to `pristine` and remember what every entry looks like."""
    shutil.copytree(folder, pristine, symlinks=True)
    return Snapshot(folder=folder, pristine=pristine, marks=_marks(folder))


def restore(snapshot: Snapshot) -> None:
    """Remove what is new, copy back what is gone or changed; times, modes and contents as at first."""
    now = _marks(snapshot.folder)
    # Folders come after what is in them, so that none is missing below a parent that was replaced.
    for name in sorted(now.keys() - snapshot.marks.keys(), reverse=True):
        discard(snapshot.folder / name)
    stale = [name for name, mark in snapshot.marks.items() if now.get(name) != mark]
    for name in sorted(stale):
        _copy_back(snapshot, name)
    for name in stale:
        snapshot.marks[name] = _mark(f"{snapshot.folder}/{name}")


def empty(folder: Path) -> None:
    """Make a folder exist with nothing in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in list(folder.iterdir()):
        discard(entry)


def discard(path: Path) -> None:
    """Remove a file, link or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def _copy_back(snapshot: Snapshot, name: str) -> None:
    source, target = snapshot.pristine / name, snapshot.folder / name
    if source.is_dir() and not source.is_symlink():
        if not target.is_dir() or target.is_symlink():
            discard(target)
            target.mkdir()
        shutil.copystat(source, target)
        return
    discard(target)
    shutil.copy2(source, target, follow_symlinks=False)


def _marks(folder: Path) -> dict[str, Mark]:
    marks = {}
    prefix = f"{folder}/"
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = f"{parent}/{name}"
            marks[path[len(prefix) :]] = _mark(path)
    return marks


def _mark(path: str) -> Mark:
    found = os.lstat(path)
    if stat.S_ISDIR(found.st_mode):
        # A folder's times change with what is in it, which is looked at by itself.
        return (found.st_mode,)
    # A test may set the time of change back and be given the old inode again; it can't set the status change.
    return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
