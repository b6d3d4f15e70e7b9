"""Who may connect to a server that listens, and what it answers to everybody else."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from integration.exec_server.wire import Wire, encoded
from shelltool.exec_server import server as server_module
from shelltool.exec_server.access import Address
from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.server import ExecServer
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


async def test_more_connections_than_there_may_be_are_told_to_come_later(monkeypatch):
    monkeypatch.setattr(server_module, "CONNECTIONS_MAX", 1)
    async with ExecServer() as server, server.listening(Address("127.0.0.1", 0)) as url:
        first = Wire(await connect_websocket(url))
        await first.open()
        second = await connect_websocket(url)
        assert await asyncio.wait_for(second.receive(), 20) is None
        assert second._connection.close_code == 1013
        assert await first.call("environment/status") == {"status": "ready"}
        await second.close()
        await first.close()


async def test_who_does_not_finish_the_handshake_is_cut_off(monkeypatch):
    monkeypatch.setattr(server_module, "OPEN_S", 0.05)
    async with ExecServer() as server, server.listening(Address("127.0.0.1", 0)) as url:
        host, port = url.removeprefix("ws://").split(":")
        for half in (b"", b"GET / HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(half)
            # An answer that says so may come before the end.
            await asyncio.wait_for(reader.read(), 20)
            writer.close()


async def test_an_offer_to_compress_is_not_taken_and_does_no_harm(serving_shared):
    async with serving_shared() as server, connect(server.url, compression="deflate") as connection:
        assert connection.request is not None
        assert connection.response is not None
        assert "permessage-deflate" in connection.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in connection.response.headers
        await connection.send('{"id":1,"method":"initialize","params":{"clientName":"t"}}')
        assert "sessionId" in json.loads(await connection.recv())["result"]


async def test_a_token_is_needed_where_one_is_configured(serving_once, tmp_path):
    (tmp_path / "token").write_text("open-sesame\n", encoding="utf-8")
    async with serving_once("--ws-token-file", str(tmp_path / "token")) as server:
        assert await status_of(server.url, "/readyz") == 200
        for headers in ("", "Authorization: Bearer wrong\r\n", "Authorization: Bearer \r\n"):
            assert await status_of(server.url, "/", UPGRADE + headers) == 401
        twice = "Authorization: Bearer open-sesame\r\n" * 2
        assert await status_of(server.url, "/", UPGRADE + twice) == 401
        assert await status_of(server.url, "/", UPGRADE + "Origin: http://page\r\n" + twice) == 403
        with pytest.raises(ChannelClosedError):
            await connect_websocket(server.url, token="wrong")  # noqa: S106 - a test's
        channel = await connect_websocket(server.url, token="open-sesame")  # noqa: S106 - as above
        await channel.close()


async def test_the_log_says_who_did_what_and_no_secrets(installation, tmp_path):
    """The program is run here as it is: what it writes where is what this is about."""
    (tmp_path / "token").write_text("open-sesame\n", encoding="utf-8")
    command = installation.command("--log-level", "debug", "--ws-token-file", str(tmp_path / "token"))
    with (tmp_path / "log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=log, env=installation.environment()
        )
    assert child.stdout is not None
    url = (await asyncio.wait_for(child.stdout.readline(), 20)).decode().strip()
    assert await status_of(url, "/", UPGRADE + "Authorization: Bearer the-wrong-one\r\n") == 401
    wire = Wire(await connect_websocket(url, token="open-sesame"))  # noqa: S106 - a test's
    await wire.open()
    await wire.start("proc", "sh", "-c", "cat; echo argv-secret", env={"A": "env-secret"}, pipeStdin=True)
    await wire.call("process/write", processId="proc", chunk=encoded(b"stdin-secret\n"), writeId="1")
    await wire.call("process/closeStdin", processId="proc")
    await wire.ended_process("proc")
    path = str(tmp_path / "file-secret")
    await wire.call("fs/writeFile", path=path, dataBase64=encoded(b"data-secret"))
    await wire.send('{"broken-secret"')
    await asyncio.wait_for(wire.unasked.get(), 20)
    await wire.close()
    child.terminate()
    rest, _ = await asyncio.wait_for(child.communicate(), 20)
    assert (rest, child.returncode) == (b"", 0), "the URL is the one line on stdout"
    text = (tmp_path / "log").read_text(encoding="utf-8")
    for secret in ("secret", "sesame", "the-wrong-one", wire.session, encoded(b"stdin-secret\n")):
        assert secret not in text, secret
    lines = [json.loads(line) for line in text.splitlines()]
    session = wire.session[:8]
    events = {line["event"]: line for line in lines}
    assert events["connection refused"]["status"] == 401
    assert events["session opened"]["session"] == session
    assert events["session opened"]["peer"].startswith("websocket 127.0.0.1:")
    for event in ("process started", "process ended"):
        assert (events[event]["session"], events[event]["process_id"]) == (session, "proc")
    assert "fs/writeFile" in {line.get("method") for line in lines if line["event"] == "request"}
    assert {"malformed message", "session detached", "session ended"} <= events.keys()
