"""Files that a connection keeps open and reads or writes block by block.

The descriptor was opened under the sandbox of the request that opened it, and is of no use for anything else. Owns how
many there are; `close_all` when the connection ends. From every thread.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shelltool.exec_server.errors import invalid_request, not_found
from shelltool.exec_server.files.entries import system_error

HANDLE_LIMIT = 128
ID_LIMIT = 32
BLOCK_LIMIT = 1 << 20
OFFSET_LIMIT = (1 << 63) - 1 - BLOCK_LIMIT


@dataclass(slots=True)
class _Handle:
    fd: int
    users: int = 0
    closing: bool = False


class Handles:
    """The open files of one connection."""

    def __init__(self, limit: int = HANDLE_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._handles: dict[str, _Handle | None] = {}
        """None where it is being opened."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._handles)

    def open(self, handle_id: str, opener: Callable[[], int]) -> None:
        """Keep what `opener` opens under an id that the client chose."""
        if len(handle_id.encode("utf-8", "surrogatepass")) > ID_LIMIT:
            raise invalid_request(f"file handle ID must not exceed {ID_LIMIT} bytes")
        with self._lock:
            if handle_id in self._handles:
                raise invalid_request(f"file handle `{handle_id}` already exists", number=errno.EEXIST)
            if len(self._handles) >= self._limit:
                raise invalid_request(
                    f"at most {self._limit} file handles may be open per connection", number=errno.EMFILE
                )
            self._handles[handle_id] = None
        fd = -1
        try:
            fd = opener()
        finally:
            with self._lock:
                if fd < 0 or self._closed:
                    self._handles.pop(handle_id, None)
                else:
                    self._handles[handle_id] = _Handle(fd)
                    fd = -1  # whoever closes the handle closes it
            if fd >= 0:
                os.close(fd)

    def read(self, handle_id: str, offset: int, length: int) -> tuple[bytes, bool]:
        """Read a block; tell whether the file ends in it."""
        _check(offset, length, "file read block length")
        with self._used(handle_id) as fd:
            data = os.pread(fd, length, offset)
            while 0 < len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
                data += more
        return data, len(data) < length

    def write(self, handle_id: str, offset: int, data: bytes) -> None:
        """Write a block where it belongs, also behind the file's end."""
        _check(offset, len(data), "file write block length")
        left = memoryview(data)
        with self._used(handle_id) as fd:
            while left:
                written = os.pwrite(fd, left, offset)
                offset += written
                left = left[written:]

    def close(self, handle_id: str) -> None:
        """Close one, if it is there."""
        with self._lock:
            if self._handles.get(handle_id) is not None:
                self._end(self._handles.pop(handle_id))

    def close_all(self) -> None:
        """Close all, and whatever is being opened."""
        with self._lock:
            self._closed = True
            for handle in self._handles.values():
                self._end(handle)
            self._handles.clear()

    def _end(self, handle: _Handle | None) -> None:
        if handle is None:
            return
        handle.closing = True
        if not handle.users:
            os.close(handle.fd)

    @contextmanager
    def _used(self, handle_id: str) -> Iterator[int]:
        """Keep a descriptor from being closed, and its number from being another file's, while it is used."""
        with self._lock:
            handle = self._handles.get(handle_id)
            if handle is None:
                raise not_found(f"unknown file handle `{handle_id}`")
            handle.users += 1
        try:
            yield handle.fd
        finally:
            with self._lock:
                handle.users -= 1
                if handle.closing and not handle.users:
                    os.close(handle.fd)


def _check(offset: int, length: int, what: str) -> None:
    if not 1 <= length <= BLOCK_LIMIT:
        raise invalid_request(f"{what} must be between 1 and {BLOCK_LIMIT}", number=errno.EINVAL)
    if not 0 <= offset <= OFFSET_LIMIT:
        raise system_error(errno.EINVAL, "")
