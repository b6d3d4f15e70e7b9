"""Verified tarballs in the cache, named by their SHA-256 and checked again before each use.

A tarball becomes visible only by a rename after its size and digest were proven. What has arrived of an
unfinished one lies beside it as `.<digest>.part`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shellbuild.cache import cache_root, entry_lock
from shellbuild.console import note
from shellbuild.errors import SourceError


@contextmanager
def tarball_lock(sha256: str) -> Iterator[None]:
    """Hold the lock under which one tarball is looked up and fetched."""
    with entry_lock(_place(sha256)):
        yield


def stored_tarball(sha256: str, size: int) -> Path | None:
    """Give a tarball that is in the cache and still has its size and digest; the caller holds the lock."""
    place = _place(sha256)
    if not place.is_file():
        return None
    if place.stat().st_size == size and file_sha256(place) == sha256:
        return place
    note(f"{place}: damaged in the cache, so it is fetched anew")
    place.unlink()
    return None


def part_file(sha256: str) -> Path:
    """Name the file in which an unfinished tarball grows."""
    return _place(sha256).with_name(f".{sha256}.part")


def accept_part(sha256: str, size: int, origin: str) -> Path:
    """Turn a finished part into a tarball of the cache; raise SourceError, and leave nothing, if it is wrong."""
    part = part_file(sha256)
    got = part.stat().st_size
    if got != size:
        part.unlink()
        raise SourceError(f"{origin} has {got} bytes where the recipe pins {size}")
    digest = file_sha256(part)
    if digest != sha256:
        part.unlink()
        raise SourceError(f"{origin} has sha256 {digest} where the recipe pins {sha256}")
    return part.replace(_place(sha256))


def discard_tarball(sha256: str) -> None:
    """Throw away a tarball that has the right digest and yet is of no use."""
    with tarball_lock(sha256):
        _place(sha256).unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _place(sha256: str) -> Path:
    return cache_root() / "sources" / "downloads" / sha256
