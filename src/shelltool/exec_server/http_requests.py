"""`http/request` on this machine: buffered answers, and streams of notifications. What is sent is up to `http_sending`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.errors import internal, invalid_params
from shelltool.exec_server.http_messages import BodyDelta, HttpRequest, HttpResponse, ResponseHeader
from shelltool.exec_server.http_sending import (
    AskedHeader,
    HttpAnswer,
    HttpAsked,
    HttpFailedError,
    HttpInputError,
    HttpSender,
)

DELTA = "http/request/bodyDelta"
DELTA_LIMIT = 3 << 18
"""Bytes; 1 MiB in base64."""
BODY_LIMIT = 128 << 20
"""Of a body that is not streamed."""


class LocalHttp:
    """An `HttpService`, for one connection."""

    def __init__(self, sender: HttpSender, notify: Notify) -> None:
        self._sender = sender
        self._notify = notify
        self._streams: dict[str, asyncio.Task[None]] = {}

    async def request(self, params: HttpRequest) -> HttpResponse:
        """See `HttpService`."""
        with _as_rpc_errors():
            if params.stream_response:
                return await self._stream(params)
            async with self._sender.sent(_asked(params)) as answer:
                return _response(answer, await _whole(answer.body))

    async def close(self) -> None:
        """End all streams."""
        streams = list(self._streams.values())
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    async def _stream(self, params: HttpRequest) -> HttpResponse:
        if params.request_id in self._streams:
            raise invalid_params(
                f"http/request streamResponse requestId `{params.request_id}` is already active"
            )
        stream = _Stream(self._sender, self._notify, params)
        task = asyncio.create_task(stream.run(), name=f"{params.method} {params.request_id}")
        self._streams[params.request_id] = task
        task.add_done_callback(lambda _: self._streams.pop(params.request_id, None))
        try:
            return await asyncio.shield(stream.head)
        except BaseException:
            task.cancel()  # nobody waits for it
            raise
        finally:
            stream.told.set()


class _Stream:
    """One streamed response. All of it happens in one task, as the HTTP library and timeouts need it."""

    def __init__(self, sender: HttpSender, notify: Notify, params: HttpRequest) -> None:
        self._sender = sender
        self._notify = notify
        self._params = params
        self._seq = 0
        self.head: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.told = asyncio.Event()
        """Set when the result is on its way; the first part comes behind it."""

    async def run(self) -> None:
        """Send the request, then pass on what comes."""
        try:
            async with self._sender.sent(_asked(self._params)) as answer:
                self.head.set_result(_response(answer, b""))
                await self.told.wait()
                async for part in _parts(answer.body):
                    await self._tell(part)
        except (HttpInputError, HttpFailedError) as error:
            if not self.head.done():
                self.head.set_exception(error)
                return
            await self._tell(b"", done=True, error=str(error))
        else:
            await self._tell(b"", done=True)

    async def _tell(self, part: bytes, *, done: bool = False, error: str | None = None) -> None:
        self._seq += 1
        delta = BodyDelta(
            request_id=self._params.request_id, seq=self._seq, delta_base64=part, done=done, error=error
        )
        await self._notify(DELTA, delta)


async def _parts(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for received in body:
        for start in range(0, len(received), DELTA_LIMIT):
            yield received[start : start + DELTA_LIMIT]


async def _whole(body: AsyncIterator[bytes]) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in body:
        parts.append(part)
        size += len(part)
        if size > BODY_LIMIT:
            raise HttpFailedError(
                f"http/request failed: the body has more than {BODY_LIMIT} bytes; use streamResponse"
            )
    return b"".join(parts)


def _asked(params: HttpRequest) -> HttpAsked:
    return HttpAsked(
        method=params.method,
        url=params.url,
        headers=[AskedHeader(header.name, header.value, header.value_env_var) for header in params.headers],
        body=params.body_base64,
        timeout_s=None if params.timeout_ms is None else params.timeout_ms / 1000,
        redirects=params.redirect_policy,
    )


def _response(answer: HttpAnswer, body: bytes) -> HttpResponse:
    return HttpResponse(
        status=answer.status,
        headers=[ResponseHeader(name=name, value=value) for name, value in answer.headers],
        body_base64=body,
    )


@contextmanager
def _as_rpc_errors() -> Iterator[None]:
    try:
        yield
    except HttpInputError as error:
        raise invalid_params(str(error)) from error
    except HttpFailedError as error:
        raise internal(str(error)) from error
