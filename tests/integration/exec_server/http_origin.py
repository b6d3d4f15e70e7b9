"""A web server of a few lines that says back what it was sent, byte for byte, and misbehaves on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Origin:
    """What it got, and what it waits for."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            self.arrived.set()
            length = [
                line.split(b":")[1]
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length")
            ]
            self.bodies.append(await reader.readexactly(int(length[0]) if length else 0))
            await self._answer(head.split()[1].decode(), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match path:
            case "/cookie":
                writer.write(
                    answer(b"", b"Set-Cookie: a=b", b"X-Dup: 1", b"X-Dup: 2", status=b"404 Not Found")
                )
            case "/gzip":
                writer.write(answer(b"not gzip at all", b"Content-Encoding: gzip"))
            case "/loop":
                writer.write(answer(b"", b"Location: /loop", status=b"302 Found"))
            case "/away":
                writer.write(answer(b"moved", b"Location: /here", b"Set-Cookie: a=b", status=b"302 Found"))
            case "/big":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await self._pour(writer)
            case "/parts" | "/half":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\npart1\n")
                await self.go_on.wait()
                writer.write(b"part2\n" if path == "/parts" else b"")
            case "/silent":
                await reader.read()
                self.gone.set()
            case _:
                writer.write(answer(b"ok"))
        await writer.drain()

    async def _pour(self, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 1_000_000)
                await writer.drain()
        except ConnectionError:
            self.gone.set()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Put a response into bytes."""
    lines = [
        b"HTTP/1.1 " + status,
        *headers,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
        b"",
        body,
    ]
    return b"\r\n".join(lines)


@asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    """Run one."""
    found = Origin()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    async with server:
        found.port = server.sockets[0].getsockname()[1]
        yield found
