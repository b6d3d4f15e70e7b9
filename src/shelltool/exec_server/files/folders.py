"""What is in folders: created, listed, looked at, renamed."""

import errno
import os
import posixpath
from dataclasses import dataclass
from itertools import islice

from shelltool.exec_server.errors import invalid_request
from shelltool.exec_server.files.calls import Calls
from shelltool.exec_server.files.entries import entry_at, system_error
from shelltool.exec_server.files.status import Status

LISTING_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Listed:
    """One name in a folder. What it is holds for what a link leads to, if it leads anywhere."""

    name: str
    is_folder: bool
    is_file: bool
    is_link: bool


def metadata(calls: Calls, path: str, *, follow: bool = True) -> tuple[Status, bool]:
    """Look at what is at a path; tell as well whether the path itself is a link."""
    itself = status_of_path(calls, path, follow_parents=follow)
    if not itself.is_link:
        return itself, False
    if not follow:
        raise invalid_request("path contains a symbolic link", path=path, number=errno.ELOOP)
    return calls.status(path), True


def status_of_path(calls: Calls, path: str, *, follow_parents: bool = True) -> Status:
    """Look at a path itself."""
    if follow_parents or path == "/":
        return calls.status(path, follow=False)
    with entry_at(calls, path, follow=False) as entry:
        return calls.status(entry.name, folder=entry.folder, follow=False)


def create_folder(calls: Calls, path: str, *, recursive: bool, follow: bool = True) -> None:
    """Create a folder; `recursive`: with all above it, and it may be there already."""
    if not recursive:
        _create_one(calls, path, follow=follow)
        return
    missing: list[str] = []
    while not _is_folder(calls, path, follow=follow):
        missing.append(path)
        path = posixpath.dirname(path.rstrip("/")) or "/"
    for each in reversed(missing):
        try:
            _create_one(calls, each, follow=follow)
        except FileExistsError:
            # Somebody was faster, or it is no folder.
            if not _is_folder(calls, each, follow=follow):
                raise


def list_folder(calls: Calls, path: str) -> list[Listed]:
    """List a folder in the order of the file system. Names are as `os.fsdecode` gives them."""
    folder = calls.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(folder) as entries:
            found = [_listed(calls, entry, folder) for entry in islice(entries, LISTING_LIMIT + 1)]
    finally:
        os.close(folder)
    if len(found) > LISTING_LIMIT:
        raise invalid_request(
            f"more than {LISTING_LIMIT} entries in one folder", path=path, number=errno.EOVERFLOW
        )
    return found


def read_link(calls: Calls, path: str) -> str:
    """Tell what a symbolic link says."""
    return calls.read_link(path)


def real_path(calls: Calls, path: str) -> str:
    """Follow every link on the way to what is there."""
    return calls.real_path(path)


def rename(calls: Calls, source: str, destination: str) -> None:
    """Give a file or a folder another path on the same file system; links are renamed, not what they lead to."""
    with entry_at(calls, source) as old, entry_at(calls, destination) as new:
        calls.rename(old.name, new.name, folder=old.folder, new_folder=new.folder)


def _create_one(calls: Calls, path: str, *, follow: bool) -> None:
    if not path.strip("/"):
        raise system_error(errno.EEXIST, path)
    with entry_at(calls, path, follow=follow) as entry:
        calls.make_folder(entry.name, folder=entry.folder)


def _is_folder(calls: Calls, path: str, *, follow: bool) -> bool:
    try:
        found = calls.status(path) if follow else status_of_path(calls, path, follow_parents=False)
    except FileNotFoundError:
        return False
    return found.is_folder


def _listed(calls: Calls, entry: os.DirEntry[str], folder: int) -> Listed:
    is_link = entry.is_symlink()
    if not is_link:
        is_folder, is_file = entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
        return Listed(entry.name, is_folder, is_file, is_link=False)
    try:
        found = calls.status(entry.name, folder=folder)
    except OSError:
        return Listed(entry.name, is_folder=False, is_file=False, is_link=True)
    return Listed(entry.name, found.is_folder, found.is_file, is_link=True)
