"""Copying files, links and trees. Each folder is reached from the one above it, and no link is followed on the way.

What the reference does, but for one thing: a file is never copied onto itself, by whatever name or link.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from shelltool.exec_server.errors import invalid_request
from shelltool.exec_server.files.calls import FOLDER, Calls
from shelltool.exec_server.files.contents import BLOCK, write_all
from shelltool.exec_server.files.entries import Entry, entry_at, future_path
from shelltool.exec_server.files.folders import create_folder
from shelltool.exec_server.files.removing import DEPTH_LIMIT, too_deep
from shelltool.exec_server.files.status import status_of

TO_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
TO_WRITE = os.O_WRONLY | os.O_CREAT
NEITHER = "fs/copy only supports regular files, directories, and symlinks"
NOT_RECURSIVE = "fs/copy requires recursive: true when sourcePath is a directory"
INTO_ITSELF = "fs/copy cannot copy a directory to itself or one of its descendants"
ONTO_ITSELF = "fs/copy cannot copy a file onto itself"
NOT_BY_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM}
"""What copy_file_range(2) says of files that have to be read and written."""


def copy(calls: Calls, source: str, destination: str, *, recursive: bool) -> None:
    """Copy what is at a path; a folder is merged into one that is there."""
    found = calls.status(source, follow=False)
    if found.is_folder and not recursive:
        raise invalid_request(NOT_RECURSIVE, path=source, number=errno.EISDIR)
    if found.is_folder:
        _copy_tree_at(calls, source, destination)
        return
    if not found.is_link and not found.is_file:
        raise invalid_request(NEITHER, path=source, number=errno.EINVAL)
    with entry_at(calls, source) as old:
        if found.is_link:
            with entry_at(calls, destination) as new:
                _copy_link(calls, old, new)
        else:
            _copy_file(calls, old, lambda mode: calls.open_to_write(destination, TO_WRITE, mode))


def _copy_tree_at(calls: Calls, source: str, destination: str) -> None:
    real = calls.real_path(source)
    target = future_path(calls, destination)
    if target == real or target.startswith(real.rstrip("/") + "/"):
        raise invalid_request(INTO_ITSELF, path=destination, number=errno.EINVAL)
    create_folder(calls, destination, recursive=True)
    with ExitStack() as opened:
        old = calls.open(real, TO_LIST)
        opened.callback(os.close, old)
        new = calls.open(target, FOLDER | os.O_NOFOLLOW)
        opened.callback(os.close, new)
        _copy_tree(calls, old, new, status_of(new).identity, depth=0)


def _copy_tree(calls: Calls, old: int, new: int, target: tuple[int, int], *, depth: int) -> None:
    if depth == DEPTH_LIMIT:
        raise too_deep()
    with os.scandir(old) as entries:
        found = list(entries)
        for entry in found:
            here, there = Entry(old, entry.name), Entry(new, entry.name)
            if entry.is_dir(follow_symlinks=False):
                # Here and not in a function: each level is one frame of Python's stack, which is shallow.
                with _folders(calls, here, there, target) as folders:
                    if folders:
                        _copy_tree(calls, *folders, target, depth=depth + 1)
            elif entry.is_symlink():
                _copy_link(calls, here, there)
            elif entry.is_file(follow_symlinks=False):
                _copy_file(calls, here, _writer(calls, there))


def _writer(calls: Calls, new: Entry) -> Callable[[int], int]:
    return lambda mode: calls.open(new.name, TO_WRITE, mode, folder=new.folder)


@contextmanager
def _folders(
    calls: Calls, old: Entry, new: Entry, target: tuple[int, int]
) -> Iterator[tuple[int, int] | None]:
    """Open a folder and its copy, which is made; None: it is the target itself, and copying it would never end."""
    with ExitStack() as opened:
        below = calls.open(old.name, TO_LIST, folder=old.folder)
        opened.callback(os.close, below)
        if status_of(below).identity == target:
            yield None  # mounted or moved into what is copied
            return
        with suppress(FileExistsError):
            calls.make_folder(new.name, folder=new.folder)
        there = calls.open(new.name, FOLDER | os.O_NOFOLLOW, folder=new.folder)
        opened.callback(os.close, there)
        yield below, there


def _copy_link(calls: Calls, old: Entry, new: Entry) -> None:
    calls.make_link(calls.read_link(old.name, folder=old.folder), new.name, folder=new.folder)


def _copy_file(calls: Calls, old: Entry, open_new: Callable[[int], int]) -> None:
    with ExitStack() as opened:
        source = calls.open(old.name, os.O_RDONLY | os.O_NOFOLLOW, folder=old.folder)
        opened.callback(os.close, source)
        status = status_of(source)
        if not status.is_file:
            raise invalid_request(NEITHER, path=old.name, number=errno.EINVAL)
        target = open_new(stat.S_IMODE(status.mode) & calls.mode_bits)
        opened.callback(os.close, target)
        found = status_of(target)
        if found.identity == status.identity:
            raise invalid_request(ONTO_ITSELF, path=old.name, number=errno.EINVAL)
        if found.is_file:
            os.ftruncate(target, 0)
        _copy_contents(source, target)
        if found.is_file:
            os.fchmod(target, stat.S_IMODE(status.mode) & calls.mode_bits)


def _copy_contents(source: int, target: int) -> None:
    if sys.platform == "linux":
        try:
            while os.copy_file_range(source, target, BLOCK * 64):
                pass
        except OSError as error:
            if error.errno not in NOT_BY_KERNEL:
                raise
    # What is left: all of it where the kernel can't, nothing where it has, and files that are made when they are read.
    while block := os.read(source, BLOCK):
        write_all(target, block)
