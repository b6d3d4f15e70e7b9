"""Listing trees within limits: breadth first, names sorted in each folder.

A folder that can't be read is told of and the walk goes on. Links to files are left out, links to folders are as
`follow_links` says, and no folder is listed twice.
"""

import errno
import os
import posixpath
from collections import deque
from dataclasses import dataclass, field

from shelltool.exec_server.errors import invalid_request
from shelltool.exec_server.files.calls import Calls
from shelltool.exec_server.files.folders import Listed, list_folder

DEPTH_LIMIT = 64
FOLDER_LIMIT = 10_000
ENTRY_LIMIT = 50_000
RESPONSE_LIMIT = 4 << 20
"""Bytes of paths and messages, roughly as they are on the wire."""
ITEM_OVERHEAD = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a walk goes."""

    depth: int
    """0: only what is in the folder itself."""
    folders: int
    entries: int
    follow_links: bool
    skip_hidden: bool = False
    """Hidden folders are named and not listed."""

    def check(self) -> None:
        """Refuse what no walk has."""
        if self.folders < 1 or self.entries < 1:
            raise invalid_request("filesystem walk limits must be greater than zero", number=errno.EINVAL)
        if self.depth > DEPTH_LIMIT or self.folders > FOLDER_LIMIT or self.entries > ENTRY_LIMIT:
            raise invalid_request(
                f"filesystem walk limits exceed maximums: depth={DEPTH_LIMIT}, directories={FOLDER_LIMIT}, "
                f"entries={ENTRY_LIMIT}",
                number=errno.EINVAL,
            )


@dataclass(slots=True)
class Walked:
    """What a walk found: paths with whether each is a folder, paths with why they could not be read."""

    entries: list[tuple[str, bool]] = field(default_factory=list)
    errors: list[tuple[str, OSError]] = field(default_factory=list)
    truncated: bool = False


def walk(calls: Calls, root: str, limits: Limits) -> Walked:
    """List everything below a folder; nothing, where it is none."""
    limits.check()
    itself = calls.status(root, follow=False)
    found = calls.status(root) if itself.is_link and limits.follow_links else itself
    if not found.is_folder:
        return Walked()
    return _Walk(calls, limits, seen={found.identity}).run(root.rstrip("/") or "/")


class _FullError(Exception):
    """A limit is reached."""


@dataclass(slots=True)
class _Walk:
    calls: Calls
    limits: Limits
    seen: set[tuple[int, int]]
    walked: Walked = field(default_factory=Walked)
    examined: int = 0
    folders: int = 1
    size: int = 0

    def run(self, root: str) -> Walked:
        queue = deque([(root, 0)])
        try:
            while queue:
                path, depth = queue.popleft()
                folders = self._list(path)
                if depth < self.limits.depth:
                    queue += ((folder, depth + 1) for folder in folders if self._may_list(folder))
        except _FullError:
            self.walked.truncated = True
        return self.walked

    def _list(self, path: str) -> list[str]:
        """List one folder; give the folders in it."""
        try:
            listed = sorted(list_folder(self.calls, path), key=lambda each: os.fsencode(each.name))
        except OSError as error:
            self._note_error(path, error)
            return []
        return [child for each in listed if (child := self._take(path, each)) is not None]

    def _take(self, above: str, each: Listed) -> str | None:
        """Note one entry; give its path if it is a folder that is not hidden."""
        if self.examined == self.limits.entries:
            raise _FullError
        self.examined += 1
        followed = not each.is_link or (each.is_folder and self.limits.follow_links)
        if not followed or not (each.is_folder or each.is_file):
            return None
        path = posixpath.join(above, each.name)
        self._reserve(path)
        self.walked.entries.append((path, each.is_folder))
        hidden = self.limits.skip_hidden and each.name.startswith(".")
        return path if each.is_folder and not hidden else None

    def _may_list(self, path: str) -> bool:
        """Tell whether a folder was not listed before, and may be."""
        if self.limits.follow_links:
            try:
                identity = self.calls.status(path).identity
            except OSError as error:
                self._note_error(path, error)
                return False
            if identity in self.seen:
                return False
            self.seen.add(identity)
        if self.folders == self.limits.folders:
            self.walked.truncated = True
            return False
        self.folders += 1
        return True

    def _note_error(self, path: str, error: OSError) -> None:
        self._reserve(path + str(error.strerror))
        self.walked.errors.append((path, error))

    def _reserve(self, text: str) -> None:
        self.size += len(os.fsencode(text)) + ITEM_OVERHEAD
        if self.size > RESPONSE_LIMIT:
            raise _FullError
