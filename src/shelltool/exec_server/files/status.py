"""What the kernel says about a file, its time of creation included.

Python's `os.stat` leaves that time out, so on Linux this asks statx(2) by way of the C library; where there is none,
or on other systems, the time is what `os.stat` has.
https://man7.org/linux/man-pages/man2/statx.2.html
"""

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
BASIC_STATS = 0x7FF
BIRTH_TIME = 0x800
STATX_SIZE = 256
_MASK_LINKS_MODE = struct.Struct("=I12xI8xH2xQQ")
"""From 0 on: the mask, the number of links, the mode, the inode, the size."""
_TIME = struct.Struct("=qI")
_DEVICE = struct.Struct("=II")
_BORN, _MODIFIED, _DEVICE_AT = 80, 112, 136
NANOSECONDS = 1_000_000_000
MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """What there is at a path, or behind it."""

    mode: int
    size: int
    modified_ns: int
    born_ns: int | None
    """None where the file system does not keep it."""
    identity: tuple[int, int]
    """Device and inode: equal for two names of one file."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)

    @property
    def created_ms(self) -> int:
        """Milliseconds since 1970, 0 where it is not known."""
        return max(0, (self.born_ns or 0) // MILLISECOND_NS)

    @property
    def modified_ms(self) -> int:
        """Milliseconds since 1970, 0 for what is older."""
        return max(0, self.modified_ns // MILLISECOND_NS)


def status_at(path: str, *, folder: int | None = None, follow: bool = True) -> Status:
    """Look at a path of this process, relative to a folder that is open if one is given."""
    if _statx is None:
        return _of_result(os.stat(path, dir_fd=folder, follow_symlinks=follow))
    buffer = ctypes.create_string_buffer(STATX_SIZE)
    flags = AT_NO_AUTOMOUNT if follow else AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    at = AT_FDCWD if folder is None else folder
    if _statx(at, encoded, flags, BASIC_STATS | BIRTH_TIME, buffer) != 0:
        number = ctypes.get_errno()
        if number in {errno.ENOSYS, errno.EPERM}:  # an older kernel, or a filter that does not know the call
            return _of_result(os.stat(path, dir_fd=folder, follow_symlinks=follow))
        raise OSError(number, os.strerror(number), path)
    return _of_statx(buffer.raw)


def status_of(fd: int) -> Status:
    """Look at an open file; its time of creation is left out."""
    return _of_result(os.fstat(fd))


def _find_statx() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    return function


_statx = _find_statx()


def _of_statx(raw: bytes) -> Status:
    mask, _, mode, inode, size = _MASK_LINKS_MODE.unpack_from(raw)
    return Status(
        mode=mode,
        size=size,
        modified_ns=_nanoseconds(raw, _MODIFIED),
        born_ns=_nanoseconds(raw, _BORN) if mask & BIRTH_TIME else None,
        identity=(os.makedev(*_DEVICE.unpack_from(raw, _DEVICE_AT)), inode),
    )


def _nanoseconds(raw: bytes, offset: int) -> int:
    seconds, rest = _TIME.unpack_from(raw, offset)
    return int(seconds) * NANOSECONDS + int(rest)


def _of_result(found: os.stat_result) -> Status:
    born: float | None = getattr(found, "st_birthtime", None)
    return Status(
        mode=found.st_mode,
        size=found.st_size,
        modified_ns=found.st_mtime_ns,
        born_ns=None if born is None else int(born * NANOSECONDS),
        identity=(found.st_dev, found.st_ino),
    )
