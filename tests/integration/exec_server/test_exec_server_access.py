"""Who may connect to a server that listens, and what it answers to everybody else."""

import asyncio
import hashlib

import pytest

from integration.bounded import run_bounded
from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.transports.websocket import connect_websocket

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def status_of(url, path="/", headers=""):
    """Give the status of the answer to a request of our own making."""
    host, port = url.removeprefix("ws://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    async with asyncio.timeout(20):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_pages_and_other_paths_are_refused(serving_shared):
    async with serving_shared() as server:
        assert await status_of(server.url, "/readyz") == 200
        assert await status_of(server.url, "/healthz") == 404
        assert await status_of(server.url, "/other", UPGRADE) == 404
        assert await status_of(server.url, "/", UPGRADE) == 101
        for path in ("/", "/readyz"):
            assert await status_of(server.url, path, UPGRADE + "Origin: http://page\r\n") == 403
            assert await status_of(server.url, path, UPGRADE + "Origin: null\r\n") == 403
        assert await status_of(server.url) in {400, 426}


async def test_a_token_is_needed_where_one_is_configured(serving_once, tmp_path):
    (tmp_path / "token").write_text("open sesame\n".replace(" ", "-"), encoding="utf-8")
    digest = hashlib.sha256(b"open-sesame").hexdigest()
    for options in (("--ws-token-file", str(tmp_path / "token")), ("--ws-token-sha256", digest)):
        async with serving_once(*options) as server:
            assert await status_of(server.url, "/readyz") == 200
            for headers in ("", "Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n"):
                assert await status_of(server.url, "/", UPGRADE + headers) == 401
            with pytest.raises(ChannelClosedError):
                await connect_websocket(server.url, token="wrong")  # noqa: S106 - a test's
            channel = await connect_websocket(server.url, token="open-sesame")  # noqa: S106 - as above
            await channel.close()


def test_a_bad_command_line_says_what_is_wrong(installation, tmp_path):
    for options, problem in (
        (("--listen", "tcp://x"), b"unsupported --listen URL `tcp://x`"),
        (("--listen", "ws://0.0.0.0:0"), b"other machines could start processes here"),
        (("--ws-auth", "capability-token"), b"name the token"),
    ):
        environment = {name.encode(): value.encode() for name, value in installation.environment().items()}
        found = run_bounded(installation.command(*options), cwd=tmp_path, env=environment, deadline_s=60)
        assert (found.status, problem in found.stderr, found.stdout) == (1, True, b"")
