"""What is in files: read whole, written whole, and opened to be read or written in blocks."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shelltool.exec_server.errors import RpcError, invalid_request
from shelltool.exec_server.files.calls import Calls
from shelltool.exec_server.files.entries import entry_at
from shelltool.exec_server.files.status import Status, status_of

READ_LIMIT = 512 << 20
BLOCK = 1 << 20
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def read_file(calls: Calls, path: str, *, follow: bool = True) -> bytes:
    """Read a regular file."""
    with opened_to_read(calls, path, follow=follow) as (fd, status):
        if status.size > READ_LIMIT:
            raise _too_large()
        return _read_to_end(fd, status.size)


def write_file(calls: Calls, path: str, data: bytes | bytearray | memoryview, *, follow: bool = True) -> None:
    """Create a file or replace what is in it, in place."""
    fd = open_to_replace(calls, path, follow=follow)
    try:
        write_all(fd, data)
    finally:
        os.close(fd)


@contextmanager
def opened_to_read(calls: Calls, path: str, *, follow: bool = True) -> Iterator[tuple[int, Status]]:
    """Open a regular file."""
    fd = open_to_read(calls, path, follow=follow)
    try:
        yield fd, regular(fd, path)
    finally:
        os.close(fd)


def open_regular(calls: Calls, path: str, mode: str) -> int:
    """Open a regular file for reading (`read`), or a new or emptied one for writing (`replace`)."""
    fd = open_to_read(calls, path) if mode == "read" else open_to_replace(calls, path)
    try:
        regular(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def open_to_read(calls: Calls, path: str, *, follow: bool = True) -> int:
    """Open something for reading, whatever it is."""
    if follow:
        return calls.open(path, os.O_RDONLY)
    with entry_at(calls, path, follow=False) as entry:
        return calls.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW, folder=entry.folder)


def open_to_replace(calls: Calls, path: str, *, follow: bool = True) -> int:
    """Open a file for writing: a new one, or one that is emptied."""
    if follow:
        return calls.open_to_write(path.rstrip("/"), NEW_FILE)
    with entry_at(calls, path, follow=False) as entry:
        return calls.open(entry.name, NEW_FILE, folder=entry.folder)


def regular(fd: int, path: str) -> Status:
    """Look at an open file, which has to be a regular one."""
    status = status_of(fd)
    if not status.is_file:
        raise invalid_request(f"path `{path}` is not a file", path=path)
    return status


def write_all(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of it, at the descriptor's own position."""
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]


def _read_to_end(fd: int, size: int) -> bytes:
    """Read a file that may be another size by now; one byte more than expected shows its end."""
    data = os.read(fd, size + 1)
    if len(data) == size and size:
        return data
    parts = [data]
    length = len(data)
    while parts[-1]:
        parts.append(os.read(fd, BLOCK))
        length += len(parts[-1])
        if length > READ_LIMIT:
            raise _too_large()
    return b"".join(parts)


def _too_large() -> RpcError:
    return invalid_request(f"file is too large to read: limit is {READ_LIMIT} bytes", number=errno.EFBIG)
