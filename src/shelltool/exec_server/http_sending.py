"""HTTP requests as a client of the exec server asks for them, sent with httpx2.

Transparent: the headers on the wire are the client's, `host`, `content-length` and a default `accept`; bodies are not
decompressed; there is no cookie jar. Proxies are those of the server's environment. Knows nothing of JSON-RPC;
`http_requests` does. Limits are here: sizes, redirects, the time to connect.
https://www.rfc-editor.org/rfc/rfc9110
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import httpx2

REDIRECT_LIMIT = 10
CONNECT_S = 60.0
"""Also where the client sets no limit: an address that never answers would hold the request for as long as it lives."""
CONNECTION_LIMIT = 100
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")


class HttpInputError(ValueError):
    """What was asked for can't be a request. The text is for the client."""


class HttpFailedError(Exception):
    """A request got no response, or not all of it. The text is for the client."""


@dataclass(frozen=True, slots=True)
class AskedHeader:
    """A header; `variable` names what of the server's environment is put behind the value."""

    name: str
    value: str
    variable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAsked:
    """One request."""

    method: str
    url: str
    headers: Sequence[AskedHeader] = ()
    body: bytes | None = None
    timeout_s: float | None = None
    """For all of it, the body of the response included."""
    redirects: Literal["follow", "stop"] = "follow"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A response whose body is still coming. Names are in lower case; order and repeats are kept."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: AsyncIterator[bytes]


class HttpSender:
    """Connections, shared by all who send. httpx2 is imported, and certificates are loaded, when one is needed first."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._starting = asyncio.Lock()
        self._client: httpx2.AsyncClient | None = None

    @asynccontextmanager
    async def sent(self, asked: HttpAsked) -> AsyncIterator[HttpAnswer]:
        """Send a request and give the response; leaving ends both. `HttpInputError`, `HttpFailedError`."""
        client = await self._ready()
        import httpx2  # it is imported by now

        request = _request(asked, [self._header(header) for header in asked.headers])
        try:
            async with asyncio.timeout(asked.timeout_s):
                response = await client.send(
                    request, stream=True, follow_redirects=asked.redirects == "follow"
                )
                try:
                    yield HttpAnswer(response.status_code, _headers(response), response.aiter_raw())
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise HttpFailedError(f"http/request failed: it took longer than {asked.timeout_s} s") from error
        except httpx2.TooManyRedirects as error:
            raise HttpFailedError("http/request failed: too many redirects") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise HttpFailedError(f"http/request failed: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections."""
        async with self._starting:
            if self._client is not None:
                await self._client.aclose()
                self._client = None

    async def _ready(self) -> "httpx2.AsyncClient":
        async with self._starting:
            if self._client is None:
                self._client = await asyncio.to_thread(_make_client)
            return self._client

    def _header(self, asked: AskedHeader) -> tuple[bytes, bytes]:
        if not TOKEN.fullmatch(asked.name):
            raise HttpInputError(f"http/request header name is invalid: {asked.name!r}")
        value = asked.value
        if asked.variable is not None:
            if asked.variable not in self._environment:
                raise HttpInputError(
                    f"http/request header {asked.name} requires executor environment variable {asked.variable}"
                )
            value += self._environment[asked.variable]
        if not VALUE.fullmatch(value):
            raise HttpInputError(
                f"http/request header value is invalid for {asked.name}: a control character"
            )
        return asked.name.encode("ascii"), value.encode("utf-8", "surrogateescape")


def _make_client() -> "httpx2.AsyncClient":
    # Both take a while, and many servers never send a request.
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=CONNECT_S),
        limits=httpx2.Limits(max_connections=CONNECTION_LIMIT, max_keepalive_connections=0),
        max_redirects=REDIRECT_LIMIT,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def _request(asked: HttpAsked, headers: list[tuple[bytes, bytes]]) -> "httpx2.Request":
    import httpx2

    if not TOKEN.fullmatch(asked.method):
        raise HttpInputError("http/request method is invalid: invalid HTTP method")
    try:
        url = httpx2.URL(asked.url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise HttpInputError(f"http/request url is invalid: {error}") from error
    if not url.scheme:
        raise HttpInputError("http/request url is invalid: relative URL without a base")
    if url.scheme not in {"http", "https"}:
        raise HttpInputError(f"http/request only supports http and https URLs, got {url.scheme}")
    if not url.host:
        raise HttpInputError("http/request url is invalid: empty host")
    if not any(name.lower() == b"accept" for name, _ in headers):
        headers.append((b"accept", b"*/*"))
    return httpx2.Request(asked.method, url, headers=headers, content=asked.body)


def _headers(response: "httpx2.Response") -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
        for name, value in response.headers.raw
    )
