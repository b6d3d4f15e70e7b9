"""What there is at the paths that a policy names: the facts that `plan` needs, gathered in one go.

Looks, and changes nothing. Knows which names under writable folders are protected, and what a `.git` file points to.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.grants import Access, Grants
from shelltool.sandbox.locate import Kind, Located, kind_of, locate
from shelltool.sandbox.paths import join, parent
from shelltool.sandbox.patterns import matches
from shelltool.sandbox.placeholders import is_empty

PROTECTED_NAMES = (".git", ".codex", ".agents")
"""What users' own tools trust, directly under each folder that can be written."""
POINTER_LIMIT = 4096
LISTING_LIMIT = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A protected name under a folder that can be written."""

    root: str
    name: str
    kind: Kind
    creatable: bool = True
    """Whether this user could create it, were it not for the sandbox."""
    targets: tuple[Located, ...] = ()
    """Where a link or a `.git` file leads."""

    @property
    def path(self) -> str:
        """Where it is."""
        return join(self.root, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found."""

    located: dict[str, Located] = field(default_factory=dict)
    protected: tuple[Protected, ...] = ()
    children: dict[str, tuple[tuple[str, Kind], ...]] = field(default_factory=dict)
    """Of folders in which a protected name is a link."""
    hidden: tuple[Located, ...] = ()
    """What matched a denied pattern."""


def survey(grants: Grants) -> Facts:
    """Look at everything that a policy names."""
    if not grants.confined:
        return Facts()
    located = {path: locate(path) for path in (*(grant.path for grant in grants.grants), *grants.shielded)}
    roots = {located[grant.path].real for grant in grants.grants if grant.access is Access.WRITE}
    folders = [root for root in sorted(roots - {"/"}) if kind_of(root) is Kind.FOLDER]
    protected = tuple(look_at(root, name) for root in folders for name in PROTECTED_NAMES)
    linked = {item.root for item in protected if item.kind is Kind.LINK}
    return Facts(
        located=located,
        protected=protected,
        children={root: tuple(list_folder(root)) for root in linked},
        hidden=tuple(locate(path) for pattern in grants.patterns for path in matches(pattern)),
    )


def look_at(root: str, name: str) -> Protected:
    """Look at one protected name."""
    path = join(root, name)
    kind = kind_of(path)
    targets: tuple[Located, ...] = ()
    if kind is Kind.FOLDER and is_empty(path):
        kind = Kind.ABSENT  # a placeholder, or as good as one
    elif kind is Kind.LINK:
        targets = (locate(path),)
    elif kind is Kind.FILE and name == ".git":
        targets = tuple(_git_folders(path))
    return Protected(root=root, name=name, kind=kind, creatable=_may_create_in(root), targets=targets)


def list_folder(folder: str) -> list[tuple[str, Kind]]:
    """List a folder, in the order of the names; a folder with too much in it is an error."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.name, _kind_of_entry(entry))
                for entry, _ in zip(entries, range(LISTING_LIMIT + 1), strict=False)
            ]
    except OSError as error:
        raise SandboxPlanError(
            f"{folder}: {error.strerror}; the sandbox can't be planned around it"
        ) from error
    if len(found) > LISTING_LIMIT:
        raise SandboxPlanError(
            f"{folder}: more than {LISTING_LIMIT} entries, each of which would need a rule of its own"
        )
    return sorted(found)


def _kind_of_entry(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    return Kind.FOLDER if entry.is_dir(follow_symlinks=False) else Kind.FILE


def _git_folders(pointer: str) -> Iterator[Located]:
    git = _pointed_to(pointer, b"gitdir:")
    if git is None:
        return
    located = locate(join(parent(pointer), git))
    yield located
    common = _pointed_to(join(located.real, "commondir"), b"")
    if common is not None:
        yield locate(join(located.real, common))


def _pointed_to(path: str, prefix: bytes) -> str | None:
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            text = os.read(fd, POINTER_LIMIT)
        finally:
            os.close(fd)
        if text.startswith(prefix) and b"\0" not in text:
            return os.fsdecode(text.removeprefix(prefix).strip(b" \t\r\n")) or None
    return None


def _may_create_in(folder: str) -> bool:
    try:
        return os.access(folder, os.W_OK | os.X_OK) or Path(folder).stat().st_uid == os.geteuid()
    except OSError:
        return True
