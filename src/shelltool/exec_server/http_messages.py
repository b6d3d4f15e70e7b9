"""The params and results of `http/request`, and the interface of whoever sends it."""

from typing import Literal, Protocol

from pydantic import Field

from shelltool.exec_server.messages import U64, Base64, Message

HEADER_LIMIT = 256


class RequestHeader(Message):
    """A header to send."""

    name: str
    value: str
    value_env_var: str | None = Field(
        default=None, description="a variable of the server's environment, whose value is put behind `value`"
    )


class HttpRequest(Message):
    """`http/request`."""

    method: str
    url: str = Field(description="http or https")
    request_id: str = Field(description="names the stream in notifications")
    headers: list[RequestHeader] = Field(default=[], max_length=HEADER_LIMIT)
    body_base64: Base64 | None = None
    timeout_ms: U64 | None = Field(
        default=None, description="for all of it, the response's body included; null: none"
    )
    stream_response: bool = False
    redirect_policy: Literal["follow", "stop"] = "follow"


class ResponseHeader(Message):
    """A header that came."""

    name: str = Field(description="in lower case")
    value: str


class HttpResponse(Message):
    """A response, whatever its status. Headers are in order, with repeats."""

    status: int
    headers: list[ResponseHeader]
    body_base64: Base64 = Field(description="as it came, not decompressed; empty where it is streamed")


class BodyDelta(Message):
    """`http/request/bodyDelta`: a part of a streamed body."""

    request_id: str
    seq: U64 = Field(description="1, 2, 3, ...")
    delta_base64: Base64
    done: bool = Field(description="whether it is the last one, which has no bytes")
    error: str | None = Field(default=None, description="in the last one: why there will be no more")


class HttpService(Protocol):
    """Sends requests, for as long as one connection. Streams are its own. `RpcError` where a request fails."""

    async def request(self, params: HttpRequest) -> HttpResponse:
        """`http/request`. A streamed body comes as notifications, the first of them behind the result."""

    async def close(self) -> None:
        """End all streams."""
