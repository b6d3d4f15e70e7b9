"""A web server on loopback that misbehaves as told, and the archives it serves."""

import gzip
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shellbuild.recipe import ArchiveSource

WAIT_S = 10.0


@dataclass(kw_only=True)
class Page:
    """What one path answers."""

    content: bytes = b""
    status: int = 200
    location: str | None = None
    ranges: bool = True
    chunked: bool = False
    break_after: list[int] = field(default_factory=list)
    """For one request after the other: how many bytes arrive before the connection is cut."""
    gate: threading.Event | None = None
    """The body waits for it, after `break_after` bytes or at its beginning."""
    waited_in_vain: bool = False
    then: "Page | None" = None
    """Answers from the second request on."""
    range_start: int | None = None
    range_total: int | None = None
    """What an answer with a range claims, if not the truth."""


class Web(ThreadingHTTPServer):
    """The server, its pages by path, and the requests it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.got = threading.Condition()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def source(self, path: str, content: bytes) -> ArchiveSource:
        """Pin some content at a path of this server."""
        return ArchiveSource(
            url=self.url(path), sha256=hashlib.sha256(content).hexdigest(), size=len(content)
        )

    def serve(self, path: str, content: bytes, **behaviour: object) -> ArchiveSource:
        """Serve some content, and pin it."""
        self.pages[path] = Page(content=content, **behaviour)  # type: ignore[arg-type]
        return self.source(path, content)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        with self.server.got:
            self.server.requests.append((self.path, requested))
            self.server.got.notify_all()
        page = self.server.pages.get(self.path, Page(status=404))
        if page.then is not None:
            self.server.pages[self.path] = page.then
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested and page.ranges else 0
        if start >= len(page.content) and start:
            self._head(416, {"Content-Length": "0"})
            return
        body = page.content[start:]
        headers = {"Location": page.location} if page.location else {}
        if start:
            total = page.range_total or len(page.content)
            first = page.range_start or start
            headers["Content-Range"] = f"bytes {first}-{len(page.content) - 1}/{total}"
        headers |= {"Transfer-Encoding": "chunked"} if page.chunked else {"Content-Length": str(len(body))}
        self._head(206 if start else page.status, headers)
        self._body(page, body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, page: Page, body: bytes) -> None:
        cut = page.break_after.pop(0) if page.break_after else None
        if page.chunked:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.wfile.write(body[: cut or 0])
        if page.gate is not None:
            self.wfile.flush()
            page.waited_in_vain = not page.gate.wait(WAIT_S)
        if cut is None:
            self.wfile.write(body)
        else:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Keep test output clean."""


@contextmanager
def web_server() -> Iterator[Web]:
    """Run a server in a thread."""
    with Web() as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.shutdown()
            thread.join(WAIT_S)


@dataclass(kw_only=True)
class Member:
    """One member of a crafted archive."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    mtime: float = 1_000_000_000


def file(name: str, content: bytes = b"text\n", **more: object) -> Member:
    return Member(name=name, content=content, **more)  # type: ignore[arg-type]


def folder(name: str) -> Member:
    return Member(name=name, type=tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, link: str) -> Member:
    return Member(name=name, type=tarfile.SYMTYPE, link=link)


def hardlink(name: str, link: str) -> Member:
    return Member(name=name, type=tarfile.LNKTYPE, link=link)


def tar(members: Iterable[Member]) -> bytes:
    """Write an archive, whatever it says."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname = member.type, member.link
            info.mode, info.mtime, info.size = member.mode, member.mtime, len(member.content)
            archive.addfile(info, io.BytesIO(member.content))
    return sink.getvalue()


def tar_gz(members: Iterable[Member]) -> bytes:
    return gzip.compress(tar(members), 1)


def release(name: str = "shell-1.0") -> bytes:
    """Write a small, decent release archive."""
    return tar_gz(
        [folder(name), file(f"{name}/configure", b"#!/bin/sh\n", mode=0o755), file(f"{name}/README")]
    )
