"""A path field of the wire: an absolute path or a `file:` URI comes in, a native path is used, a URI goes out.

Released clients send the one or the other, so every field takes both. Bytes that are not UTF-8 stand in a native path
as surrogate escapes, as in `os`. https://www.rfc-editor.org/rfc/rfc8089
"""

import os
import posixpath
import re
import sys
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo, WithJsonSchema

PLATFORMS = {"linux": "linux", "darwin": "macos"}
PATH_LIMIT = 1 << 16
"""Characters; the kernel takes 4096 bytes, and each may be escaped."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNESCAPED = "/!$&'()*+,;=:@-._~"


def parse_path(value: object) -> str:
    """Read a path field. A native path stays as it is; in a URI, `.` and `..` are resolved by name."""
    if not isinstance(value, str):
        raise ValueError("invalid type: expected a string")  # noqa: TRY004 - pydantic takes ValueErrors
    if len(value) > PATH_LIMIT:
        raise ValueError(f"a path is longer than {PATH_LIMIT} characters")
    if not value.startswith("/"):
        return _from_uri(value)
    if "\0" in value:
        raise ValueError("a path holds a NUL")
    return _encodable(value)


def path_to_uri(path: str) -> str:
    """Write a native path as a `file:` URI."""
    return "file://" + quote_from_bytes(os.fsencode(path), safe=_UNESCAPED)


def _from_uri(uri: str) -> str:
    found = _SCHEME.match(uri)
    if not found:
        raise ValueError("invalid URI: relative URL without a base")
    if found[1].lower() != "file":
        raise ValueError(f"unsupported path URI scheme `{found[1].lower()}`")
    if "#" in uri:
        raise ValueError("fragments are not allowed in path URIs")
    if "?" in uri:
        raise ValueError("query parameters are not allowed in path URIs")
    rest = uri[found.end() :]
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        rest = slash + tail
        if host.lower() not in {"", "localhost"}:
            raise ValueError(_not_here(uri))
    if _BAD_ESCAPE.search(rest):
        raise ValueError(_not_here(uri))
    path = os.fsdecode(unquote_to_bytes(_encodable("/" + rest.lstrip("/"))))
    if "\0" in path:
        raise ValueError(_not_here(uri))
    folder = "/" if path.endswith("/") and path != "/" else ""
    normal = posixpath.normpath(path).replace("//", "/", 1)
    return normal if normal == "/" else normal + folder


def _not_here(uri: str) -> str:
    return f"'{uri}' is invalid on '{PLATFORMS.get(sys.platform, sys.platform)}'"


def _written(path: str, info: SerializationInfo) -> str:
    """Write a path field; servers of the oldest dialect want them as they are."""
    is_native = bool(info.context and info.context.get("native_paths"))
    return path if is_native and path.startswith("/") else path_to_uri(path)


def _encodable(path: str) -> str:
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ValueError("a path is not Unicode text") from error
    return path


WirePath = Annotated[
    str,
    BeforeValidator(parse_path),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"type": "string", "description": "absolute path or `file:` URI"}),
]
"""A path field of a message: native in Python, a URI in what is sent."""
