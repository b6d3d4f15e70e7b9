"""The released archives, measured: from `dist/` where they were made, else from the server that the release is on."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import requests
from blake3 import blake3

from shellbuild.errors import ReleaseError

CONNECT_S = 20
READ_S = 20
DOWNLOAD_DEADLINE_S = 300
CHUNK_BYTES = 64 << 10
LARGEST_BYTES = 64 << 20
"""Several times what an archive may ever weigh; an answer without end stops here."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Digest(StrEnum):
    """Digests that DotSlash knows."""

    BLAKE3 = "blake3"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a file is known by."""

    size: int
    digest: str


def measure_file(path: Path, digest: Digest) -> Measured:
    """Measure a local file."""
    with path.open("rb") as stream:
        return _measure(iter(lambda: stream.read(CHUNK_BYTES), b""), digest, str(path))


def measure_released(url: str, digest: Digest) -> Measured:
    """Measure what a URL serves; raise ReleaseError where it serves nothing."""
    _require_safe(url)
    try:
        # Not compressed on the way: the digest is one of the file as it lies on the server.
        with requests.get(
            url, headers={"Accept-Encoding": "identity"}, stream=True, timeout=(CONNECT_S, READ_S)
        ) as response:
            _require_safe(response.url)
            response.raise_for_status()
            return _measure(_in_time(response), digest, url)
    except requests.RequestException as error:
        raise ReleaseError(f"{url} can't be had") from error


def _require_safe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ReleaseError(f"{url}: releases are on https")


def _in_time(response: requests.Response) -> Iterator[bytes]:
    deadline = time.monotonic() + DOWNLOAD_DEADLINE_S
    for chunk in response.iter_content(CHUNK_BYTES):
        if time.monotonic() > deadline:
            raise ReleaseError(f"{response.url} took longer than {DOWNLOAD_DEADLINE_S} s")
        yield chunk


def _measure(chunks: Iterable[bytes], digest: Digest, place: str) -> Measured:
    running = hashlib.sha256() if digest is Digest.SHA256 else blake3()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_BYTES:
            raise ReleaseError(f"{place} is larger than {LARGEST_BYTES >> 20} MiB, no archive of ours is")
        running.update(chunk)
    return Measured(size=size, digest=running.hexdigest())
