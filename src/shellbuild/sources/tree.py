"""Unpacked source trees in the cache: made once, sealed, proven again before each use.

An entry `trees/<identity>` holds the tree and a seal: the SHA-256 over every path, mode, time, link and content
below it. A tree that somebody edited or built in is thrown away and made anew, never handed out.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shellbuild.cache import appearing_folder, cache_root, entry_lock, remove_tree
from shellbuild.console import note
from shellbuild.errors import SourceError


class Provider(StrEnum):
    """Where a source can come from."""

    GIT = "git"
    ARCHIVE = "archive"
    DISTRO = "distro"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """A proven tree: what the recipe pins, unpacked."""

    path: Path
    """Folder in the cache, read-only by convention; the archive's top-level folder is stripped."""
    provider: Provider
    identity: str
    """`git:<commit>` or `sha256:<digest>`."""
    original: Path | None
    """The tarball in the cache, as fetched."""


def cached_tree(entry_name: str) -> Path | None:
    """Give a tree that is in the cache and still what its seal says."""
    entry = _entry(entry_name)
    with entry_lock(entry):
        return _proven(entry)


def make_tree(entry_name: str, fill: Callable[[Path], None]) -> Path:
    """Give a tree from the cache; if it isn't there, let `fill` make it in a folder that doesn't exist yet."""
    entry = _entry(entry_name)
    with entry_lock(entry):
        proven = _proven(entry)
        if proven is not None:
            return proven
        with appearing_folder(entry) as staging:
            fill(staging / "tree")
            (staging / "seal").write_text(_seal(staging / "tree"), encoding="utf-8")
        return entry / "tree"


def copy_tree(tree: SourceTree, to: Path) -> None:
    """Copy a tree to a new or empty folder for work, times kept."""
    if to.is_symlink() or (to.exists() and not (to.is_dir() and not any(to.iterdir()))):
        raise SourceError(f"{to} is in the way of a copy of {tree.identity}; name a new folder")
    try:
        shutil.copytree(tree.path, to, symlinks=True, dirs_exist_ok=True)
    except OSError as error:
        remove_tree(to)
        raise SourceError(f"{tree.identity} could not be copied to {to}: {error}") from error


def _entry(name: str) -> Path:
    return cache_root() / "sources" / "trees" / name


def _proven(entry: Path) -> Path | None:
    if not entry.is_dir():
        return None
    try:
        if (entry / "seal").read_text(encoding="utf-8") == _seal(entry / "tree"):
            return entry / "tree"
    except OSError:
        pass  # Unreadable or incomplete counts as changed.
    note(f"{entry}: changed since it was unpacked, so it is made anew")
    remove_tree(entry)
    return None


def _seal(tree: Path) -> str:
    total = hashlib.sha256()
    for line in _inventory(tree):
        total.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return total.hexdigest()


def _inventory(tree: Path) -> Iterator[str]:
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            content = ""
        # A folder's time changes when anybody looks for the wrong thing in it; its files tell enough.
        time_ns = status.st_mtime_ns if content else 0
        yield f"{path.relative_to(tree)}\n{status.st_mode:o}\n{time_ns}\n{content}"
