"""Release archives over HTTPS: streamed under a byte limit, resumed where they broke off, proven at the end.

A range request (https://www.rfc-editor.org/rfc/rfc9110#name-range-requests) continues the part file. A server that
can't, or a file of several pieces that comes out wrong, means one more download from the start.
"""

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from shellbuild.console import note, transfer
from shellbuild.errors import SourceError
from shellbuild.recipe import ArchiveSource
from shellbuild.sources.reach import require_answer
from shellbuild.sources.store import accept_part, part_file, stored_tarball, tarball_lock

HURRIED_S = 4
"""To find and reach the server while another provider is in reserve."""
PATIENT_S = 20
READ_S = 20
"""Between two pieces of an answer."""
DOWNLOAD_DEADLINE_S = 1_800
ATTEMPTS = 4
MAX_REDIRECTS = 5
CHUNK_BYTES = 64 << 10
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _BrokenOffError(SourceError):
    """The transfer ended early; what arrived is worth keeping."""


class _RefusedError(SourceError):
    """The server answered, but not with what the recipe pins."""


def fetch_archive(source: ArchiveSource, *, hurry: bool = False) -> Path:
    """Give the pinned archive, from the cache or from its server; raise SourceError if that fails.

    1. Continue the part file, if there is one, else start it; where the transfer breaks off, continue again.
    2. Prove size and digest. A file of several pieces that is wrong is fetched once more in one piece.
    """
    with tarball_lock(source.sha256):
        stored = stored_tarball(source.sha256, source.size)
        if stored is not None:
            return stored
        connect_s = HURRIED_S if hurry else PATIENT_S
        require_answer(source.url, deadline_s=connect_s)
        part = part_file(source.sha256)
        try:
            return _download(source, part, connect_s)
        except _RefusedError:
            part.unlink(missing_ok=True)
            raise


def _download(source: ArchiveSource, part: Path, connect_s: float) -> Path:
    deadline = time.monotonic() + DOWNLOAD_DEADLINE_S
    in_pieces = part.exists()
    for _ in range(ATTEMPTS):
        try:
            _transfer(source, part, connect_s, deadline)
        except _BrokenOffError as error:
            note(str(error))
            in_pieces = True
            continue
        try:
            return accept_part(source.sha256, source.size, source.url)
        except SourceError as error:
            if not in_pieces:
                raise
            note(f"{error}; it came in pieces, so it is fetched once more in one")
            in_pieces = False
    raise SourceError(
        f"{source.url} did not arrive whole in {ATTEMPTS} attempts; run again to go on from there"
    )


def _transfer(source: ArchiveSource, part: Path, connect_s: float, deadline: float) -> None:
    """Append to the part file what the server has; raise as soon as that is more than the pinned size."""
    have = part.stat().st_size if part.exists() else 0
    if have >= source.size:
        return
    with _answer(source.url, have, connect_s) as response:
        start = _first_byte(response, have, source)
        title = urlsplit(source.url).path.rpartition("/")[2]
        with part.open("ab") as sink, transfer(title, source.size) as show:
            sink.truncate(start)
            arrived = start
            for chunk in _chunks(response, deadline):
                arrived += len(chunk)
                if arrived > source.size:
                    raise _RefusedError(
                        f"{source.url} has more than the {source.size} bytes that the recipe pins"
                    )
                sink.write(chunk)
                show(arrived)


@contextmanager
def _answer(url: str, have: int, connect_s: float) -> Iterator[requests.Response]:
    # Not compressed on the way: the digest is one of the file as it lies on the server.
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    plain_allowed = urlsplit(url).hostname in LOOPBACK
    with requests.Session() as session:
        for _ in range(MAX_REDIRECTS + 1):
            _require_https(url, plain_allowed=plain_allowed)
            try:
                response = session.get(
                    url, headers=headers, stream=True, allow_redirects=False, timeout=(connect_s, READ_S)
                )
            except requests.RequestException as error:
                raise SourceError(f"{url}: {_root_reason(error)}") from error
            with closing(response):
                if not response.is_redirect:
                    yield response
                    return
                url = urljoin(url, response.headers["Location"])
    raise _RefusedError(f"{url}: more than {MAX_REDIRECTS} redirects")


def _require_https(url: str, *, plain_allowed: bool) -> None:
    parts = urlsplit(url)
    is_plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if parts.scheme != "https" and not (is_plain and plain_allowed):
        raise _RefusedError(f"{url}: not https")


def _first_byte(response: requests.Response, have: int, source: ArchiveSource) -> int:
    """Tell at which byte of the file the answer's body begins."""
    status = response.status_code
    if status == HTTPStatus.OK:
        _require_size(response.headers.get("Content-Length"), source)
        return 0
    if have and status == HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if span and int(span[1]) == have:
            _require_size(None if span[2] == "*" else span[2], source)
            return have
    if have and status in {HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}:
        part_file(source.sha256).unlink()
        raise _BrokenOffError(f"{source.url} can't be continued, so it starts again")
    raise _RefusedError(f"{source.url} answered {status} {response.reason}")


def _require_size(offered: str | None, source: ArchiveSource) -> None:
    if offered is not None and offered != str(source.size):
        raise _RefusedError(f"{source.url} has {offered} bytes where the recipe pins {source.size}")


def _chunks(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """Yield what arrives, piece by piece, so that a dripping server can't outlast the deadline inside one read."""
    while time.monotonic() < deadline:
        try:
            chunk: bytes = response.raw.read1(CHUNK_BYTES, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenOffError(f"{response.url} broke off: {_root_reason(error)}") from error
        if not chunk:
            return
        yield chunk
    raise SourceError(f"{response.url} took longer than {DOWNLOAD_DEADLINE_S} s; run again to go on")


def _root_reason(error: BaseException) -> str:
    """Give the innermost of a chain of wrapped errors, which is the one that tells what happened."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
