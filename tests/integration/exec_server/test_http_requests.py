"""`http/request`, buffered and streamed, against a server that does what real ones do."""

import asyncio
import base64
import functools
import inspect
from contextlib import asynccontextmanager
from typing import Any

import pytest

from integration.exec_server.http_origin import Origin, origin
from integration.exec_server.in_memory import remote_environment
from shelltool.exec_server import http_requests
from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.http_messages import HttpRequest
from shelltool.exec_server.http_requests import LocalHttp
from shelltool.exec_server.http_sending import HttpSender
from shelltool.exec_server.local_environment import LocalMachine

DEADLINE_S = 30.0
ENVIRONMENT = {"TOKEN": "s3cret"}


class Client:
    """A client's side of one connection."""

    def __init__(self, server: Origin) -> None:
        self.server = server
        self.deltas: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.http: Any = None

    async def take(self, method, params):
        assert method == "http/request/bodyDelta"
        await self.deltas.put(params.model_dump())

    async def send(self, path="/", *, stream=False, **params):
        url = path if ":" in path else self.server.url + path
        message = {"method": "GET", "url": url, "requestId": "r", "streamResponse": stream, **params}
        return await self.http.request(HttpRequest.model_validate(message))

    async def refused(self, path="/", **params):
        with pytest.raises(RpcError) as raised:
            await self.send(path, **params)
        return raised.value.code, raised.value.message

    async def parts(self):
        """Give the rest of a stream."""
        found: list[dict[str, Any]] = []
        while not found or not found[-1]["done"]:
            found.append(await self.deltas.get())
        return found


@asynccontextmanager
async def local(notify):
    sender = HttpSender(ENVIRONMENT)
    http = LocalHttp(sender, notify)
    yield http
    await http.close()
    await sender.close()


@asynccontextmanager
async def remote(notify):
    machine = LocalMachine(sender=HttpSender(ENVIRONMENT))
    async with remote_environment(machine, notify) as environment:
        yield environment.http


def with_client(*kinds):
    """Run a test with a client of each kind and a server, in time."""

    def wrap(test):
        @functools.wraps(test)
        def run(kind, **fixtures):
            async def scene():
                async with asyncio.timeout(DEADLINE_S), origin() as server:
                    client = Client(server)
                    async with kind(client.take) as client.http:
                        await test(client, **fixtures)

            asyncio.run(scene())

        own = inspect.signature(test).parameters
        kind = inspect.Parameter("kind", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [kind, *(own[name] for name in own if name != "client")]
        )
        return pytest.mark.parametrize("kind", kinds, ids=lambda each: each.__name__)(run)

    return wrap


@with_client(local, remote)
async def test_what_is_sent_is_what_was_asked_for(client):
    headers = [
        {"name": "X-A", "value": "1"},
        {"name": "x-a", "value": "2"},
        {"name": "Accept", "value": "a/b"},
    ]
    result = await client.send(
        "/p?q=%20", method="POST", headers=headers, bodyBase64=base64.b64encode(b"\0body").decode()
    )
    assert (result.status, result.body_base64) == (200, b"ok")
    lines = client.server.heads[0].split(b"\r\n")
    assert lines[0] == b"POST /p?q=%20 HTTP/1.1"
    port = client.server.port
    assert sorted(line.lower() for line in lines[1:] if line) == sorted(
        [b"host: 127.0.0.1:%d" % port, b"x-a: 1", b"x-a: 2", b"accept: a/b", b"content-length: 5"]
    )
    assert client.server.bodies == [b"\0body"]


@with_client(local, remote)
async def test_a_status_that_is_no_success_is_a_result_and_repeats_are_kept(client):
    result = await client.send("/cookie")
    assert result.status == 404
    assert [header.value for header in result.headers if header.name == "x-dup"] == ["1", "2"]


@with_client(local, remote)
async def test_no_cookie_is_kept(client):
    await client.send("/cookie")
    await client.send("/")
    await client.send("/away")
    assert not any(b"cookie:" in head.lower() for head in client.server.heads)


@with_client(local, remote)
async def test_a_body_is_not_decompressed(client):
    assert (await client.send("/gzip")).body_base64 == b"not gzip at all"


@with_client(local, remote)
async def test_redirects_are_followed_or_not(client):
    assert (await client.send("/away")).body_base64 == b"ok"
    assert (await client.send("/away", redirectPolicy="stop")).status == 302
    assert await client.refused("/loop") == (-32603, "http/request failed: too many redirects")
    assert len(client.server.heads) == 2 + 1 + 11


@with_client(local, remote)
async def test_headers_take_variables_of_the_server(client):
    await client.send(headers=[{"name": "Authorization", "value": "Bearer ", "valueEnvVar": "TOKEN"}])
    assert b"authorization: bearer s3cret\r\n" in client.server.heads[0].lower()
    code, text = await client.refused(headers=[{"name": "X-Env", "value": "", "valueEnvVar": "NOPE_ENV"}])
    assert (code, text) == (
        -32602,
        "http/request header X-Env requires executor environment variable NOPE_ENV",
    )


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"path": "ftp://h/"}, "http/request only supports http and https URLs, got ftp"),
        ({"path": "http://[::/"}, "http/request url is invalid: "),
        ({"path": "http:///x"}, "http/request url is invalid: "),
        ({"method": "GE T"}, "http/request method is invalid: invalid HTTP method"),
        ({"headers": [{"name": "a b", "value": ""}]}, "http/request header name is invalid: "),
        ({"headers": [{"name": "X", "value": "a\r\nY: b"}]}, "http/request header value is invalid for X: "),
        ({"headers": [{"name": "X\r\nY", "value": ""}]}, "http/request header name is invalid: "),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@with_client(local, remote)
async def test_what_is_no_request_is_not_sent(client, params, text, stream):
    code, message = await client.refused(stream=stream, **params)
    assert code == -32602
    assert message.startswith(text)
    assert client.server.heads == []


@pytest.mark.parametrize("stream", [False, True])
@with_client(local, remote)
async def test_no_connection_is_an_error(client, stream):
    async with origin() as other:
        url = other.url
    code, message = await client.refused(url + "/", stream=stream)
    assert (code, message.split(":")[0]) == (-32603, "http/request failed")


@pytest.mark.parametrize("stream", [False, True])
@with_client(local, remote)
async def test_a_request_ends_when_its_time_is_over(client, stream):
    code, message = await client.refused("/silent", timeoutMs=1000, stream=stream)
    assert (code, message) == (-32603, "http/request failed: it took longer than 1.0 s")
    await client.server.gone.wait()


@with_client(local)
async def test_a_slow_request_does_not_keep_others_waiting(client):
    slow = asyncio.create_task(client.send("/silent"))
    assert (await client.send("/")).status == 200
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    await client.server.gone.wait()


@with_client(local, remote)
async def test_a_body_without_end_is_refused(client, monkeypatch):
    monkeypatch.setattr(http_requests, "BODY_LIMIT", 3_000_000)
    code, message = await client.refused("/big")
    assert (code, "use streamResponse" in message) == (-32603, True)
    await client.server.gone.wait()


@with_client(local, remote)
async def test_a_stream_comes_in_parts_behind_the_result(client):
    result = await client.send("/parts", stream=True)
    assert (result.status, result.body_base64, client.deltas.empty()) == (200, b"", True)
    first = await client.deltas.get()
    assert first == {"requestId": "r", "seq": 1, "deltaBase64": "cGFydDEK", "done": False, "error": None}
    client.server.go_on.set()
    rest = await client.parts()
    assert [part["seq"] for part in rest] == list(range(2, 2 + len(rest)))
    assert "".join(part["deltaBase64"] for part in rest) == "cGFydDIK"
    assert rest[-1] == {
        "requestId": "r",
        "seq": rest[-1]["seq"],
        "deltaBase64": "",
        "done": True,
        "error": None,
    }


@with_client(local, remote)
async def test_a_stream_that_breaks_says_so(client):
    await client.send("/half", stream=True)
    client.server.go_on.set()
    last = (await client.parts())[-1]
    assert (last["done"], last["deltaBase64"]) == (True, "")
    assert last["error"].startswith("http/request failed: ")


@with_client(local, remote)
async def test_the_parts_of_a_stream_are_small(client, monkeypatch):
    monkeypatch.setattr(http_requests, "DELTA_LIMIT", 1000)
    await client.send("/big", stream=True)
    parts = [await client.deltas.get() for _ in range(100)]
    assert max(len(base64.b64decode(part["deltaBase64"])) for part in parts) == 1000


@with_client(local, remote)
async def test_an_id_streams_once_at_a_time(client):
    await client.send("/parts", stream=True)
    code, message = await client.refused("/parts", stream=True)
    assert (code, message) == (-32602, "http/request streamResponse requestId `r` is already active")
    assert (await client.send("/")).status == 200
    client.server.go_on.set()
    await client.parts()
    await asyncio.sleep(0)  # the task that told of the end ends
    await client.send("/parts", stream=True)


@with_client(local)
async def test_streams_end_with_their_connection(client):
    await client.send("/big", stream=True)
    await client.deltas.get()
    await client.http.close()
    await client.server.gone.wait()
    assert client.http._streams == {}


@with_client(local)
async def test_a_stream_nobody_waits_for_any_more_ends(client):
    waiting = asyncio.create_task(client.send("/silent", stream=True))
    await client.server.arrived.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await client.server.gone.wait()


@with_client(remote)
async def test_a_slow_request_of_a_connection_does_not_keep_others_waiting(client):
    slow = asyncio.create_task(client.send("/silent"))
    await client.server.arrived.wait()
    assert (await client.send("/")).status == 200
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
