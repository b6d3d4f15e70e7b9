"""Deterministic .tar.gz files: members sorted, no owners, one time, modes from what they are, nothing of this machine.

The bytes depend on the members alone and on zlib's own output, which has been stable over its releases.
"""

import gzip
import io
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

EPOCH = 315532800
"""1980-01-01, the SOURCE_DATE_EPOCH of all builds: the first day that also zip files can write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of an archive, or with `link` a symbolic link."""

    name: str
    content: bytes = b""
    mode: int = 0o644
    time: int = EPOCH
    link: str | None = None


def write_tarball(path: Path, members: Iterable[Member]) -> Path:
    """Write an archive, whole or not at all; every folder in it has an entry of its own before its files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with (
            fresh.open("wb") as raw,
            gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            _add_all(archive, sorted(members, key=lambda member: member.name))
        fresh.chmod(0o644)
        return fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _add_all(archive: tarfile.TarFile, members: Iterable[Member]) -> None:
    folders: set[str] = set()
    for member in members:
        for parent in reversed(PurePosixPath(member.name).parents[:-1]):
            if str(parent) not in folders:
                folders.add(str(parent))
                archive.addfile(_entry(str(parent), tarfile.DIRTYPE, 0o755, EPOCH))
        kind = tarfile.REGTYPE if member.link is None else tarfile.SYMTYPE
        entry = _entry(member.name, kind, member.mode, member.time)
        entry.linkname = member.link or ""
        entry.size = len(member.content)
        archive.addfile(entry, io.BytesIO(member.content))


def _entry(name: str, kind: bytes, mode: int, time: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, time
    return entry
