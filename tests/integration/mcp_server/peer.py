"""The published program of the same kind, which none of us wrote: fetched with npm, checked, never committed."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import appearing_folder, cache_root, entry_lock

PACKAGE = "@openai/codex-shell-tool-mcp@0.97.0"
TARBALL_SHA256 = "5c5e8df279b9ae77ba987322dd52d1057e723039d45bb2de31c580d74a1299f7"
TARGET = "x86_64-unknown-linux-musl"
FETCH_S = 300
"""For 47 MB."""
NPM_OPTIONS = ("--silent", "--fetch-retries=1", "--fetch-timeout=60000", "--cache=npm-cache")
"""A registry that can't be reached is given up soon, and nothing of the user's is touched."""
TRIAL_S = 30
BASH_VARIANTS = ("debian-12", "debian-11", "ubuntu-22.04", "ubuntu-24.04", "centos-9")
_WORKS = 42


class PeerUnavailableError(Exception):
    """It can't be had, or does not run here; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Its three programs."""

    server: Path
    wrapper: Path
    bash: Path


def fetch_peer() -> Peer:
    """Give the programs from the cache, filling it if need be."""
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        raise PeerUnavailableError(
            f"{PACKAGE}: its programs do not run on {machine.sysname} {machine.machine}"
        )
    entry = cache_root() / "peers" / TARBALL_SHA256
    with entry_lock(entry):
        if not entry.exists():
            with appearing_folder(entry) as folder:
                _unpack(pack(folder), folder)
    programs = entry / "package" / "vendor" / TARGET
    return Peer(
        server=programs / "codex-exec-mcp-server",
        wrapper=programs / "codex-execve-wrapper",
        bash=_bash_that_runs(programs / "bash"),
    )


def pack(folder: Path) -> Path:
    """Have npm put the tarball into a folder."""
    npm = shutil.which("npm")
    if npm is None:
        raise PeerUnavailableError(f"{PACKAGE}: npm is not installed")
    command = [npm, "pack", *NPM_OPTIONS, PACKAGE]
    try:
        packed = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PeerUnavailableError(f"{PACKAGE}: npm took longer than {FETCH_S} s") from error
    if packed.returncode:
        raise PeerUnavailableError(f"{PACKAGE}: npm can't fetch it: {packed.stderr.strip()[-300:]}")
    shutil.rmtree(folder / "npm-cache", ignore_errors=True)
    return folder / packed.stdout.split()[-1]


def _unpack(tarball: Path, folder: Path) -> None:
    """Take out what runs here."""
    if hashlib.sha256(tarball.read_bytes()).hexdigest() != TARBALL_SHA256:
        raise PeerUnavailableError(f"{PACKAGE}: npm gave another file than the one that was measured")
    with tarfile.open(tarball) as archive:
        wanted = [member for member in archive if f"/{TARGET}/" in member.name]
        archive.extractall(folder, members=wanted, filter="data")
    tarball.unlink()


def _bash_that_runs(folder: Path) -> Path:
    for variant in BASH_VARIANTS:
        bash = folder / variant / "bash"
        tried = subprocess.run(
            [bash, "-c", f"exit {_WORKS}"], capture_output=True, timeout=TRIAL_S, check=False
        )
        if tried.returncode == _WORKS:
            return bash
    raise PeerUnavailableError(f"{PACKAGE}: none of its bash builds runs on this distribution")
