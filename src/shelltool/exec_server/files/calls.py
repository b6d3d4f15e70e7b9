"""The few file system calls that everything else here is made of, and those of this process.

Two kinds: what only looks takes any path; what changes a folder takes the open folder and one name in it, so that a
path which somebody turns into a link meanwhile leads nowhere. The calls of a sandboxed helper (`helper`) are the same,
as seen from inside a sandbox. Errors are `OSError`s, as from `os`.
"""

import os
from abc import ABC, abstractmethod

from shelltool.exec_server.files.status import Status, status_at

FOLDER = os.O_PATH | os.O_DIRECTORY if hasattr(os, "O_PATH") else os.O_RDONLY | os.O_DIRECTORY
"""To name entries in it, not to list it."""
NEVER_WAIT = os.O_NONBLOCK | os.O_NOCTTY
"""Opening a named pipe waits for its other end, and some day a terminal hangs up."""
ALL_MODE_BITS = 0o7777
PERMISSIONS = 0o777


class Calls(ABC):
    """Calls as some process makes them. From every thread."""

    mode_bits: int = ALL_MODE_BITS
    """Which of a file's mode bits a copy may have."""

    def can_see(self, path: str) -> bool:  # noqa: ARG002 - a sandbox looks at it
        """Tell whether nothing at a path means that there is nothing."""
        return True

    @abstractmethod
    def open(self, path: str, flags: int, mode: int = 0o666, *, folder: int | None = None) -> int:
        """Open what is there. For writing or creating, `path` is a name in `folder` and no link is followed."""

    @abstractmethod
    def open_to_write(self, path: str, flags: int, mode: int = 0o666) -> int:
        """Open a file for writing by its path, links followed; a link to nothing creates what it names."""

    @abstractmethod
    def status(self, path: str, *, folder: int | None = None, follow: bool = True) -> Status:
        """Look at a path."""

    @abstractmethod
    def make_folder(self, name: str, *, folder: int) -> None:
        """Create a folder in a folder."""

    @abstractmethod
    def remove_file(self, name: str, *, folder: int) -> None:
        """Remove what is not a folder."""

    @abstractmethod
    def remove_folder(self, name: str, *, folder: int) -> None:
        """Remove a folder in which there is nothing."""

    @abstractmethod
    def rename(self, name: str, new_name: str, *, folder: int, new_folder: int) -> None:
        """Give an entry another name, replacing what has it."""

    @abstractmethod
    def make_link(self, target: str, name: str, *, folder: int) -> None:
        """Create a symbolic link."""

    @abstractmethod
    def read_link(self, path: str, *, folder: int | None = None) -> str:
        """Tell what a symbolic link says."""

    @abstractmethod
    def real_path(self, path: str) -> str:
        """Follow every link on the way to what is there."""


class LocalCalls(Calls):
    """The calls of this process."""

    def open(self, path: str, flags: int, mode: int = 0o666, *, folder: int | None = None) -> int:
        """See `Calls`."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            flags |= os.O_NOFOLLOW
        return os.open(path, flags if flags & FOLDER == FOLDER else flags | NEVER_WAIT, mode, dir_fd=folder)

    def open_to_write(self, path: str, flags: int, mode: int = 0o666) -> int:
        """See `Calls`."""
        return os.open(path, flags | NEVER_WAIT, mode)

    def status(self, path: str, *, folder: int | None = None, follow: bool = True) -> Status:
        """See `Calls`."""
        return status_at(path, folder=folder, follow=follow)

    def make_folder(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        os.mkdir(name, dir_fd=folder)

    def remove_file(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        os.unlink(name, dir_fd=folder)

    def remove_folder(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        os.rmdir(name, dir_fd=folder)

    def rename(self, name: str, new_name: str, *, folder: int, new_folder: int) -> None:
        """See `Calls`."""
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)

    def make_link(self, target: str, name: str, *, folder: int) -> None:
        """See `Calls`."""
        os.symlink(target, name, dir_fd=folder)

    def read_link(self, path: str, *, folder: int | None = None) -> str:
        """See `Calls`."""
        return os.readlink(path, dir_fd=folder)

    def real_path(self, path: str) -> str:
        """See `Calls`."""
        return os.path.realpath(path, strict=True)
