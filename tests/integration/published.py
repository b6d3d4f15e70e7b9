"""Published programs of the same kind, which none of us wrote: fetched with npm into the cache, checked, never committed."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from shellbuild.cache import appearing_folder, cache_root, entry_lock

NPM_OPTIONS = ("--silent", "--fetch-retries=1", "--fetch-timeout=60000", "--cache=npm-cache")
"""A registry that can't be reached is given up soon, and nothing of the user's is touched."""


class PackageUnavailableError(Exception):
    """It can't be had, or does not run here; the text says why."""


def fetch_package(package: str, sha256: str, wanted: Callable[[str], bool], *, limit_s: float) -> Path:
    """Give the folder of a package for Linux on x86_64 from the cache, filled with the wanted members if need be."""
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        raise PackageUnavailableError(f"{package} does not run on {machine.sysname} {machine.machine}")
    entry = cache_root() / "peers" / sha256
    with entry_lock(entry):
        if not entry.exists():
            with appearing_folder(entry) as folder:
                _unpack(package, pack(package, folder, limit_s=limit_s), sha256, wanted)
    return entry


def pack(package: str, folder: Path, *, limit_s: float) -> Path:
    """Have npm put the tarball into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise PackageUnavailableError(f"{package}: npm is not installed")
    command = [npm, "pack", *NPM_OPTIONS, package]
    try:
        packed = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailableError(f"{package}: npm took longer than {limit_s} s") from error
    if packed.returncode:
        raise PackageUnavailableError(f"{package}: npm can't fetch it: {packed.stderr.strip()[-300:]}")
    shutil.rmtree(folder / "npm-cache", ignore_errors=True)
    return folder / packed.stdout.split()[-1]


def _unpack(package: str, tarball: Path, sha256: str, wanted: Callable[[str], bool]) -> None:
    with tarball.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise PackageUnavailableError(f"{package}: npm gave another file than the one that was measured")
    with tarfile.open(tarball) as archive:
        members = [member for member in archive if wanted(member.name)]
        archive.extractall(tarball.parent, members=members, filter="data")
    tarball.unlink()
