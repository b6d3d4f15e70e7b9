"""What all messages of the exec server share: camelCase on the wire, strict types, unknown members ignored.

The messages themselves stand beside what handles them. A newer client's member is ignored, as the reference server
does; what must not be ignored is a member of its own with a type of its own (`sandbox`).
"""

import base64
import binascii
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

U64_MAX = (1 << 64) - 1


class Message(BaseModel):
    """A params or result object. Made in Python by field name, on the wire by camelCase name."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,  # most are never needed by one process, and building all takes half of its start
    )

    @property
    def is_large(self) -> bool:
        """Whether writing it takes so long that a thread should."""
        return False

    def wire_json(self) -> bytes | bytearray:
        """Give what goes over the wire."""
        return to_json(self, by_alias=True)


class Nothing(Message):
    """Params or a result without members."""


def decode_base64(value: object) -> object:
    """Read base64, strictly: padded, and of the standard alphabet. Bytes are taken as they are."""
    if isinstance(value, bytes | bytearray | memoryview) or not isinstance(value, str):
        return bytes(value) if isinstance(value, bytearray | memoryview) else value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"invalid base64: {error}") from error


def encode_base64(value: bytes) -> str:
    """Write base64."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def base64_json(value: bytes) -> bytes:
    """Write base64 as a JSON string, with no detour where there is much of it."""
    return b'"%b"' % binascii.b2a_base64(value, newline=False)


Base64 = Annotated[
    bytes,
    BeforeValidator(decode_base64),
    PlainSerializer(encode_base64, return_type=str),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes in Python, base64 on the wire."""

U64 = Annotated[int, Field(ge=0, le=U64_MAX)]

SandboxObject = Annotated[
    dict[str, Any] | None,
    Field(description="what the sandbox allows, for `shelltool.sandbox.parse_context`; null: no sandbox"),
]
