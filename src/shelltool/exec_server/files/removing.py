"""Removing files and trees, so that a link which somebody puts in the way is removed and not followed.

A tree is removed folder by folder, each opened in the one above it without following links, and never by its path.
How deep it goes is bounded, because each level holds a descriptor.
"""

import errno
import os
from contextlib import suppress

from shelltool.exec_server.errors import RpcError, invalid_request
from shelltool.exec_server.files.calls import Calls
from shelltool.exec_server.files.entries import Entry, entry_at, system_error

DEPTH_LIMIT = 512
"""Folders in folders. The kernel has no such limit, and a tree below it was made to be trouble."""


def remove(calls: Calls, path: str, *, recursive: bool, force: bool, follow: bool = True) -> None:
    """Remove what is at a path, a link itself where it is one. `force`: it need not be there."""
    if recursive and not follow:
        raise invalid_request("recursive no-follow removal is unsupported", path=path, number=errno.ENOSYS)
    try:
        with entry_at(calls, path, follow=follow) as entry:
            _remove_entry(calls, entry, recursive=recursive)
    except FileNotFoundError:
        if not force:
            raise
        if not calls.can_see(path):
            raise system_error(errno.EACCES, path) from None


def too_deep() -> RpcError:
    """Give the error for a tree that goes on and on."""
    return invalid_request(f"more than {DEPTH_LIMIT} folders in each other", number=errno.ENAMETOOLONG)


def _remove_entry(calls: Calls, entry: Entry, *, recursive: bool) -> None:
    if not calls.status(entry.name, folder=entry.folder, follow=False).is_folder:
        calls.remove_file(entry.name, folder=entry.folder)
    elif recursive:
        _remove_tree(calls, entry.name, entry.folder, depth=0)
    else:
        calls.remove_folder(entry.name, folder=entry.folder)


def _remove_tree(calls: Calls, name: str, above: int, *, depth: int) -> None:
    if depth == DEPTH_LIMIT:
        raise too_deep()
    folder = calls.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, folder=above)
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for child, is_folder in found:
            if is_folder:
                _remove_tree(calls, child, folder, depth=depth + 1)
            else:
                with suppress(FileNotFoundError):  # somebody else removed it
                    calls.remove_file(child, folder=folder)
    finally:
        os.close(folder)
    calls.remove_folder(name, folder=above)
