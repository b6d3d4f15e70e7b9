"""What stands at a path: every link on the way, and the first part that is missing.

Looks, and changes nothing. A path that leads through `/proc` by a link is refused: what such a link names depends on
who follows it.
"""

import errno
import os
import stat
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.paths import is_at_or_below, join, parent

LINK_LIMIT = 40
"""The kernel's own."""


class Kind(Enum):
    """What stands at a path."""

    ABSENT = "absent"
    FOLDER = "folder"
    FILE = "file"
    LINK = "link"
    """Only where the path itself is asked about, not what it leads to."""


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that a path led through."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Located:
    """Where a path leads. `missing` is the first part of `real` that does not exist.

    `left`: the folders that a `..` leaves. Were one of them a link, the path would lead somewhere else.
    """

    real: str
    kind: Kind
    links: tuple[Link, ...] = ()
    missing: str | None = None
    left: tuple[str, ...] = ()


def kind_of(path: str) -> Kind:
    """Tell what stands at a path, without following a link there."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Kind.ABSENT
    except OSError as error:
        raise SandboxPlanError(f"{path}: {error.strerror}; the sandbox can't be planned around it") from error
    if stat.S_ISLNK(mode):
        return Kind.LINK
    return Kind.FOLDER if stat.S_ISDIR(mode) else Kind.FILE


def locate(path: str) -> Located:
    """Follow a path to its end, link by link."""
    pending = path.split("/")[::-1]
    links: list[Link] = []
    left: list[str] = []
    here, kind = "/", Kind.FOLDER
    while pending:
        name = pending.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            left.append(here)
            here, kind = parent(here), Kind.FOLDER
            continue
        step = join(here, name)
        kind = kind_of(step)
        if kind is Kind.ABSENT:
            return Located(_rest(step, pending), kind, tuple(links), step, tuple(left))
        if kind is Kind.LINK:
            links.append(_link(step, links))
            if links[-1].target.startswith("/"):
                here = "/"
            pending += links[-1].target.split("/")[::-1]
            kind = Kind.FOLDER
        else:
            here = step
    return Located(here, kind_of(here), tuple(links), left=tuple(left))


def _rest(step: str, pending: list[str]) -> str:
    return os.path.normpath(join(step, *(name for name in reversed(pending) if name)))


def _link(path: str, before: list[Link]) -> Link:
    if is_at_or_below(path, "/proc"):
        raise SandboxPlanError(
            f"{path}: a link that leads elsewhere for each process; name the folder itself"
        )
    if len(before) >= LINK_LIMIT:
        raise SandboxPlanError(f"{path}: {os.strerror(errno.ELOOP)}; name the folder itself")
    return Link(path, str(Path(path).readlink()))
