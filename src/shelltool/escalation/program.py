"""The program that is judged is the program that runs: it is opened once, before it is judged.

Resolves what the caller named below the caller's directory, in the server's view of the file system. Whether the
sandboxed side could have put it there is asked of a callable that the sandbox's owner gives. See execveat(2).
"""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import chain
from pathlib import Path, PurePath

LINKS_MAX = 40
"""As many as Linux follows."""

PATH_CHARS = 4096
"""From so many on a path is not looked at: no kernel that we run on would take it, and leading through them takes long."""

REMEMBERED_PATHS = 1024

CouldWrite = Callable[[Path], bool]

_OPEN_FLAGS = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_CLOEXEC


class OpenProgram:
    """A program file, held open so that its name can't come to mean another."""

    def __init__(self, fd: int, resolved: str) -> None:
        self.fd = fd
        self.resolved = resolved

    def is_regular(self) -> bool:
        """Tell whether it is a file that can be executed, and no folder or device."""
        return stat.S_ISREG(os.fstat(self.fd).st_mode)

    def is_script(self) -> bool:
        """Tell whether the kernel would hand the file's name to an interpreter."""
        try:
            fd = os.open(f"/dev/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError:
            return False  # what can't be read has no interpreter that could read it, either
        try:
            return os.pread(fd, 2, 0) == b"#!"
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let go of the file; once is enough, twice is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def program_path(file: str, workdir: str) -> str:
    """Name the program as the caller's kernel would find it, from the root on; relative where `workdir` is.

    `.` goes, and so does `..`, where it leads: through a link it leaves the link's target, so taking it out of the
    text could name another file than the one that runs.
    """
    joined = file if file.startswith("/") else f"{workdir}/{file}"
    if ("/." not in joined and "//" not in joined) or len(joined) >= PATH_CHARS:
        return joined  # most often, the first
    if ".." in joined.split("/"):
        folder, name = os.path.split(joined)
        joined = f"{os.path.realpath(folder)}/{name}"
    return str(PurePath(joined.replace("//", "/", 1) if joined.startswith("//") else joined))


def open_program(path: str) -> OpenProgram | None:
    """Open what is to be executed; None where there is nothing, or the path is not absolute."""
    if not path.startswith("/"):
        return None
    try:
        fd = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError):
        return None
    try:
        return OpenProgram(fd, _path_of(fd, path))
    except OSError:
        os.close(fd)
        return None


class Reach:
    """What the sandboxed side could have put there: the file itself, its name, or what leads to it.

    One for each call. That something is out of reach is remembered: the sandboxed side can't change it.
    """

    def __init__(self, could_write: CouldWrite) -> None:
        self._could_write = could_write
        self._out_of_reach: dict[str, str] = {}

    def covers(self, path: str, opened: OpenProgram | None = None) -> bool:
        """Tell whether an absolute path is within reach, or means another file than the one that was opened."""
        final = self._out_of_reach.get(path)
        if final is None:
            final = path
            try:
                for final in chain((path,), _steps(path)):
                    if self._could_write(Path(final)):
                        return True
            except OSError:
                return True
            if len(self._out_of_reach) == REMEMBERED_PATHS:
                self._out_of_reach.clear()
            self._out_of_reach[path] = final
        return opened is not None and opened.resolved != final


def unconfined_could_write(workdir: Path) -> CouldWrite:
    """Make the answer for a shell without a sandbox, which is no boundary but still tells places apart.

    An ordinary user could write what the system lets that user write. As root, which could write anything, it is
    what lies in the working directory or a temporary folder, or belongs to somebody else.
    """
    places = (*_shared_folders(), Path(os.path.realpath(workdir)))

    def could_write(path: Path) -> bool:
        if any(path.is_relative_to(place) for place in places):
            return True
        if os.geteuid() != 0:
            return os.access(path, os.W_OK) or os.access(path.parent, os.W_OK)
        return any(map(_is_loose, (path, path.parent)))

    return could_write


@cache
def _shared_folders() -> tuple[Path, ...]:
    folders = {"/tmp", "/var/tmp", "/dev/shm", tempfile.gettempdir()}  # noqa: S108
    return tuple(Path(os.path.realpath(folder)) for folder in folders)


def _is_loose(path: Path) -> bool:
    """Tell whether somebody besides root can write it; what is not there is judged by its folder."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid != 0 or (not stat.S_ISLNK(found.st_mode) and bool(found.st_mode & stat.S_IWOTH))


def _path_of(fd: int, path: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - a Path takes too long here
    except OSError:
        resolved = os.path.realpath(path)
        if not os.path.samestat(Path(resolved).stat(), os.fstat(fd)):
            raise
        return resolved


def _steps(path: str) -> Iterator[str]:
    """Give every link that leads to the file, each in its real folder, and at last the file itself.

    A folder that a `..` leaves is given too: were it a link, the `..` would lead somewhere else.
    """
    at, ahead, links = "", _parts(path), 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            yield at or "/"
            at = at.rpartition("/")[0]
            continue
        at = f"{at}/{name}"
        if not stat.S_ISLNK(os.lstat(at).st_mode):
            continue
        yield at
        links += 1
        if links > LINKS_MAX:
            raise OSError(errno.ELOOP, "too many links", path)
        target = os.readlink(at)  # noqa: PTH115 - as above
        ahead += _parts(target)
        at = "" if target.startswith("/") else at.rpartition("/")[0]
    yield at or "/"


def _parts(path: str) -> list[str]:
    """Split a path, the last part first."""
    return [part for part in reversed(path.split("/")) if part not in {"", "."}]
