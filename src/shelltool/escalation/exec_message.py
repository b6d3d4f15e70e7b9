"""Step 1 of the escalation protocol: what is to be executed, as a wrapper asks about it. See
`docs/escalation-protocol.md`; the messages of the other steps are in `messages.py`.

It was written by whoever runs in the sandbox, so it is checked here and nowhere else. With msgspec, unlike the rest:
every exec waits for it, and where other programs have just had the processor, pydantic takes 95 µs and this 20.
"""

import base64
import binascii
from typing import TypeVar

import msgspec

from shelltool.errors import ProtocolError

_T = TypeVar("_T")


class ExecMessage(msgspec.Struct):
    """A request. Its strings are exact once it is read: surrogate escapes stand for what is not UTF-8.

    The environment is looked at only when somebody wants it, and after Run nobody does. What is executed is always
    what was read here, before the decision.
    """

    file: str
    argv: tuple[str, ...]
    workdir: str
    env: msgspec.Raw
    file_bytes: str | None = None
    argv_bytes: tuple[str, ...] | None = None
    workdir_bytes: str | None = None
    env_bytes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.file_bytes is not None:
            self.file = _decoded(self.file_bytes)
        if self.workdir_bytes is not None:
            self.workdir = _decoded(self.workdir_bytes)
        if self.argv_bytes is not None:
            self.argv = tuple(map(_decoded, self.argv_bytes))
        if "\0" in self.file or "\0" in self.workdir or "\0" in "".join(self.argv):
            raise ProtocolError("the wrapper sent a string with a NUL in it")

    def environment(self) -> dict[str, str]:
        """Give the variables. They may hold a NUL, which whoever starts a process with them has to refuse."""
        if self.env_bytes is None:
            return _read(_ENVIRONMENT, self.env)
        entries = map(_decoded, self.env_bytes)
        return dict(_split_entry(entry) for entry in entries if "=" in entry[1:])


_REQUEST = msgspec.json.Decoder(ExecMessage)
_ENVIRONMENT = msgspec.json.Decoder(dict[str, str])


def read_request(frame: bytes) -> ExecMessage:
    """Read what a wrapper asks; ProtocolError where that is no request."""
    return _read(_REQUEST, frame)


def _read(decoder: msgspec.json.Decoder[_T], text: bytes | msgspec.Raw) -> _T:
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the wrapper sent what the protocol does not have: {error}") from error


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"the wrapper sent a string that can't be read: {error}") from error


def _split_entry(entry: str) -> tuple[str, str]:
    equals = entry.index("=", 1)
    return entry[:equals], entry[equals + 1 :]
