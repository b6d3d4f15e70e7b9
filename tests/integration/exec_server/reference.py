"""The reference program, which none of us wrote: two releases, fetched with npm into the cache, checked, never committed."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shellbuild.cache import appearing_folder, cache_root, entry_lock

PACKAGE = "@openai/codex@{}-linux-x64"
TARBALL_SHA256 = {
    "0.169.0": "89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa",
    "0.130.0": "91e12a56c49c702c86c5c42811cfa3d515b6d6bc196d70ba9cea25227302aa8f",
}
FETCH_S = 600
"""For 167 MB."""
NPM_OPTIONS = ("--silent", "--fetch-retries=1", "--fetch-timeout=60000", "--cache=npm-cache")
"""A registry that can't be reached is given up soon, and nothing of the user's is touched."""
START_S = 20.0
END_S = 10.0


class ReferenceUnavailableError(Exception):
    """It can't be had, or does not run here; the text says why."""


def fetch_reference(version: str) -> Path:
    """Give the program from the cache, filling it if need be."""
    package = PACKAGE.format(version)
    machine = os.uname()
    if (machine.sysname, machine.machine) != ("Linux", "x86_64"):
        raise ReferenceUnavailableError(f"{package} does not run on {machine.sysname} {machine.machine}")
    entry = cache_root() / "peers" / TARBALL_SHA256[version]
    with entry_lock(entry):
        if not entry.exists():
            with appearing_folder(entry) as folder:
                _unpack(_pack(package, folder), folder, TARBALL_SHA256[version])
    return next(path for path in sorted(entry.rglob("codex")) if path.is_file() and os.access(path, os.X_OK))


@asynccontextmanager
async def reference_server(version: str, *options: str) -> AsyncIterator[str]:
    """Run one of its servers; gives its URL."""
    program = fetch_reference(version)
    # Not below /tmp, where it refuses to have its home.
    with tempfile.TemporaryDirectory(prefix="reference-", dir="/var/tmp") as home:
        environment = {**os.environ, "CODEX_HOME": home, "RUST_LOG": "error"}
        child = await asyncio.create_subprocess_exec(
            *(str(program), "exec-server", "--listen", "ws://127.0.0.1:0", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                url = (await child.stdout.readline()).decode().strip()
            if not url.startswith("ws://"):
                raise ReferenceUnavailableError(f"{program} does not start")
            yield url
        finally:
            if child.returncode is None:
                child.terminate()
            async with asyncio.timeout(END_S):
                await child.wait()


def _pack(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ReferenceUnavailableError(f"{package}: npm is not installed")
    command = [npm, "pack", *NPM_OPTIONS, package]
    try:
        packed = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ReferenceUnavailableError(f"{package}: npm took longer than {FETCH_S} s") from error
    if packed.returncode:
        raise ReferenceUnavailableError(f"{package}: npm can't fetch it: {packed.stderr.strip()[-300:]}")
    shutil.rmtree(folder / "npm-cache", ignore_errors=True)
    return folder / packed.stdout.split()[-1]


def _unpack(tarball: Path, folder: Path, digest: str) -> None:
    with tarball.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ReferenceUnavailableError(
                f"{tarball.name}: npm gave another file than the one that was compared"
            )
    with tarfile.open(tarball) as archive:
        wanted = [member for member in archive if "/vendor/" in member.name and "/voice/" not in member.name]
        archive.extractall(folder, members=wanted, filter="data")
    tarball.unlink()
