"""Tar archives, unpacked with suspicion (POSIX pax and GNU formats; gzip, xz, bzip2).

https://docs.python.org/3/library/tarfile.html has filters that mend or skip; here an archive with one bad member
is refused whole: absolute names, `..`, links that leave the tree, devices, repeated names, sizes past the limits.
Modes become 0644 or 0755, owners are dropped, times are kept. Exactly one top-level folder is stripped.
"""

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

from shellbuild.cache import remove_tree
from shellbuild.errors import SourceError

MAX_BYTES = 512 << 20
"""Of the unpacked stream; the biggest archive of our recipes has 36 MB."""
MAX_MEMBERS = 50_000
MAX_LINK_STEPS = 40
COPY_BYTES = 1 << 20

_BROKEN = (tarfile.TarError, EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class _Bounded:
    """A stream that ends in an error where a decompression bomb goes on."""

    stream: _Readable
    left: int

    def read(self, size: int) -> bytes:
        data = self.stream.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise SourceError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
        return data


@dataclass(slots=True)
class _Extraction:
    """What one archive has put into `root` so far."""

    root: Path
    top: str = ""
    bytes_left: int = field(default_factory=lambda: MAX_BYTES)
    """For copies that stand in for hard links."""
    files: dict[tuple[str, ...], Path] = field(default_factory=dict)
    links: dict[tuple[str, ...], str] = field(default_factory=dict)
    folder_times: dict[Path, int] = field(default_factory=dict)


def unpack(archive: Path, to: Path) -> None:
    """Unpack an archive into the new folder `to`; raise SourceError, and leave nothing, if anything is wrong.

    1. Each member is judged before it is written, and nothing is ever written through a link.
    2. When all links are known, each must resolve inside the tree.
    3. Folder times are set last, since writing into a folder changes its time.
    """
    to.mkdir(parents=True)
    extraction = _Extraction(root=to)
    try:
        with _open_tar(archive) as tar:
            _extract_all(tar, extraction)
        for link in extraction.links:
            _check_link(link, extraction)
        for folder, mtime in extraction.folder_times.items():
            os.utime(folder, (mtime, mtime))
    except SourceError as error:
        remove_tree(to)
        raise SourceError(f"{archive}: refused, the archive {error}") from error
    except _BROKEN as error:
        remove_tree(to)
        raise SourceError(f"{archive}: could not be unpacked: {error}") from error
    except BaseException:
        remove_tree(to)
        raise


def _extract_all(tar: tarfile.TarFile, extraction: _Extraction) -> None:
    for count, member in enumerate(tar, start=1):
        if count > MAX_MEMBERS:
            raise SourceError(f"has more than {MAX_MEMBERS} members")
        _extract(tar, member, extraction)
    if not extraction.top:
        raise SourceError("holds no files")


@contextmanager
def _open_tar(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as raw, _decompressed(raw) as stream:
        bounded = cast("IO[bytes]", _Bounded(stream, MAX_BYTES))
        # "r|" reads forward only, so the bound sees every byte, headers of headers included.
        with tarfile.open(fileobj=bounded, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            yield tar


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    head = raw.read(6)
    raw.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(raw, "rb"))
    if head == b"\xfd7zXZ\x00":
        return lzma.open(raw, "rb")
    if head.startswith(b"BZh"):
        return bz2.open(raw, "rb")
    return raw


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, extraction: _Extraction) -> None:
    parts = _parts(member.name)
    if not parts:
        return
    _check_top(parts, member, extraction)
    target = _place(parts[1:], extraction.root)
    mtime = min(max(int(member.mtime), 0), int(time.time()))
    if member.isdir():
        _make_folder(target, member.name)
        extraction.folder_times[target] = mtime
        return
    if os.path.lexists(target):
        raise SourceError(f"names {member.name!r} twice")
    if member.issym():
        _make_link(member, target)
        extraction.links[parts[1:]] = member.linkname
    elif member.islnk():
        _copy_earlier(member, target, extraction)
        extraction.files[parts] = target
    elif member.isreg() and not member.issparse():
        _write(tar, member, target)
        extraction.files[parts] = target
    else:
        raise SourceError(f"holds {member.name!r}, a device, pipe or other special file")
    os.utime(target, (mtime, mtime), follow_symlinks=False)


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if name.startswith("/"):
        raise SourceError(f"holds the absolute name {name!r}")
    if ".." in parts:
        raise SourceError(f"holds {name!r}, a name with '..'")
    return parts


def _check_top(parts: tuple[str, ...], member: tarfile.TarInfo, extraction: _Extraction) -> None:
    if len(parts) == 1 and not member.isdir():
        raise SourceError(f"holds {member.name!r} outside of a top-level folder")
    if extraction.top not in {"", parts[0]}:
        raise SourceError(f"has two top-level folders, {extraction.top!r} and {parts[0]!r}")
    extraction.top = parts[0]


def _place(parts: tuple[str, ...], root: Path) -> Path:
    place = root
    for part in parts[:-1]:
        place /= part
        _make_folder(place, "/".join(parts))
    return place / parts[-1] if parts else place


def _make_folder(place: Path, name: str) -> None:
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        place.mkdir(mode=0o755)
        place.chmod(0o755)
        return
    # Asked of the file system itself, which may take two spellings for one name.
    if not stat.S_ISDIR(mode):
        raise SourceError(f"puts {name!r} through a file or link of its own")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise SourceError(f"holds {member.name!r} without content")
    with _fresh_file(target) as sink:
        shutil.copyfileobj(content, sink, COPY_BYTES)
    if target.stat().st_size != member.size:
        raise SourceError(f"ends inside {member.name!r}")
    target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _copy_earlier(member: tarfile.TarInfo, target: Path, extraction: _Extraction) -> None:
    earlier = extraction.files.get(_parts(member.linkname))
    if earlier is None:
        raise SourceError(f"links {member.name!r} to {member.linkname!r}, which is no earlier file of it")
    extraction.bytes_left -= earlier.stat().st_size
    if extraction.bytes_left < 0:
        raise SourceError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
    # A copy: an edit of one name in a work tree shall not change the other.
    with earlier.open("rb") as content, _fresh_file(target) as sink:
        shutil.copyfileobj(content, sink, COPY_BYTES)
    target.chmod(stat.S_IMODE(earlier.stat().st_mode))


def _fresh_file(target: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(target, flags, 0o600), "wb")


def _make_link(member: tarfile.TarInfo, target: Path) -> None:
    if not member.linkname or member.linkname.startswith("/"):
        raise SourceError(f"links {member.name!r} to {member.linkname!r}, which is outside of its tree")
    target.symlink_to(member.linkname)


def _check_link(link: tuple[str, ...], extraction: _Extraction) -> None:
    """Follow a link as the kernel would, through other links, and refuse the first step out of the tree."""
    links = extraction.links
    here, todo, followed = list(link[:-1]), _steps(links[link]), 0
    outside = f"links {'/'.join(link)!r} to {links[link]!r}, which is outside of its tree"
    while todo:
        part = todo.pop()
        if part == "..":
            if not here:
                raise SourceError(outside)
            here.pop()
            continue
        here.append(part)
        if tuple(here) in links:
            followed += 1
            if followed > MAX_LINK_STEPS:
                raise SourceError(f"links {'/'.join(link)!r} in a circle")
            todo += _steps(links[tuple(here)])
            here.pop()
    # A file system that folds case or accents may know the links by names other than the archive's.
    if not extraction.root.joinpath(*link).resolve().is_relative_to(extraction.root.resolve()):
        raise SourceError(outside)


def _steps(target: str) -> list[str]:
    return [part for part in reversed(target.split("/")) if part not in {"", "."}]
