"""The envelope of the protocol: requests, responses and notifications as JSON objects. Free of I/O.

Like JSON-RPC without its `jsonrpc` member, which is ignored where it is received; no batches. Text that can be read
in more than one way (keys given twice, numbers that JSON does not have, halves of characters) is malformed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from shelltool.errors import ExecServerError
from shelltool.exec_server.errors import INTERNAL, INVALID_REQUEST, RpcError
from shelltool.exec_server.messages import Message

RequestId = int | str
INT64 = range(-(1 << 63), 1 << 63)
NO_ID = -1
"""What a malformed message is answered with."""


class MalformedError(ExecServerError):
    """A message that is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """To be answered."""

    id: RequestId
    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Notice:
    """Not to be answered."""

    method: str
    params: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a result, or an error."""

    id: RequestId
    result: Any
    error: RpcError | None


def parse(data: bytes | str) -> Request | Notice | Reply:
    """Read one message."""
    envelope = _decoded(data)
    if "method" not in envelope:
        return _reply(envelope)
    method = envelope["method"]
    if not isinstance(method, str):
        raise MalformedError("invalid type: `method` is not a string")
    _check_trace(envelope.get("trace"))
    if "id" in envelope:
        return Request(_id(envelope["id"]), method, envelope.get("params"))
    return Notice(method, envelope.get("params"))


def request(identifier: RequestId, method: str, params: Message, *, native_paths: bool = False) -> bytes:
    """Write a request. `native_paths`: for servers of the oldest dialect."""
    context = {"native_paths": True} if native_paths else None
    # Some members may be left out, but not be null, for some servers.
    body = to_json(params, by_alias=True, exclude_none=True, context=context)
    return b'{"id":%b,"method":%b,"params":%b}' % (to_json(identifier), to_json(method), body)


def notification(method: str, params: Message) -> bytes:
    """Write a notification."""
    return b"".join((b'{"method":', to_json(method), b',"params":', params.wire_json(), b"}"))


def response(identifier: RequestId, result: Message) -> bytes:
    """Write the answer to a request."""
    return b"".join((b'{"id":', to_json(identifier), b',"result":', result.wire_json(), b"}"))


def error_response(identifier: RequestId, error: RpcError) -> bytes:
    """Write the answer to a request that failed."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return b'{"error":%b,"id":%b}' % (_text_json(body), to_json(identifier))


def malformed_response(error: MalformedError, where: str) -> bytes:
    """Write the answer to what is no message."""
    text = f"failed to parse JSON-RPC message from {where}: {error}"
    return error_response(NO_ID, RpcError(INVALID_REQUEST, text))


def _text_json(value: Mapping[str, Any]) -> bytes:
    # What a client sent comes back in messages, halves of characters included.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _decoded(data: bytes | str) -> dict[str, Any]:
    try:
        text = data if isinstance(data, str) else data.decode()
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    if not isinstance(found, dict):
        raise MalformedError("expected a JSON-RPC object")
    if "\\ud" in text or "\\uD" in text:
        _check_characters(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedError(f"duplicate JSON object key `{name[:100]}`")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise MalformedError(f"{name} is not JSON")


def _check_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedError("half of a surrogate pair in a string") from error


def _id(value: Any) -> RequestId:
    if isinstance(value, str) or (type(value) is int and value in INT64):
        return value
    raise MalformedError("invalid type: `id` is neither a string nor a 64-bit integer")


def _check_trace(trace: Any) -> None:
    if trace is None:
        return
    if not isinstance(trace, dict) or not all(
        isinstance(trace.get(name), str | None) for name in ("traceparent", "tracestate")
    ):
        raise MalformedError("invalid type: `trace`")


def _reply(envelope: dict[str, Any]) -> Reply:
    identifier = _id(envelope.get("id"))
    if "error" in envelope:
        return Reply(identifier, None, _error(envelope["error"]))
    if "result" in envelope:
        return Reply(identifier, envelope["result"], None)
    raise MalformedError("neither `method` nor `result` nor `error`")


def _error(value: Any) -> RpcError:
    if not isinstance(value, dict):
        raise MalformedError("invalid type: `error` is not an object")
    code, message, data = value.get("code", INTERNAL), value.get("message", ""), value.get("data")
    if type(code) is not int or not isinstance(message, str):
        raise MalformedError("invalid type: `error`")
    return RpcError(code, message, data if isinstance(data, dict) else None)
