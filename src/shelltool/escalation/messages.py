"""The JSON messages of the escalation protocol, to and from the wrapper.

What comes from the wrapper's side is written by whoever runs in the sandbox, so it is checked here and nowhere else.
`docs/escalation-protocol.md` is the reference.
"""

import base64
import binascii
import json
import signal
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shelltool.errors import ProtocolError
from shelltool.escalation.frames import encode_frame

PROTOCOL_VERSION = 2
DESCRIPTORS_PER_FRAME = 16
DESCRIPTORS_MAX = 240
"""With a few of our own they have to fit into one message to the keeper (the kernel's limit is 253)."""

HIGHEST_DESCRIPTOR = 65_535
REASON_CHARS = 4096
SIGNALS = 64

FORWARDED_SIGNALS = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGTERM,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGWINCH,
    }
)


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


_M = TypeVar("_M", bound=_Message)


class _Command(_Message):
    file: str
    argv: list[str]
    workdir: str
    file_bytes: str | None = None
    argv_bytes: list[str] | None = None
    workdir_bytes: str | None = None


class _Environment(_Message):
    env: dict[str, str]
    env_bytes: list[str] | None = None


class ExecMessage:
    """Step 1: what is to be executed. The exact strings have surrogate escapes for what is not UTF-8.

    Where the environment comes last, as wrappers write it, it is read only when somebody wants it: after Run nobody
    does, and an exec waits for every microsecond. What is executed is always what was read here, before the decision.
    """

    __slots__ = ("_environment", "argv", "file", "workdir")

    def __init__(self, frame: bytes) -> None:
        command, self._environment = _read_request(frame)
        self.file = _exact(command.file, command.file_bytes)
        self.workdir = _exact(command.workdir, command.workdir_bytes)
        words = command.argv if command.argv_bytes is None else map(_decoded, command.argv_bytes)
        self.argv = tuple(map(_without_nul, words))

    def environment(self) -> dict[str, str]:
        """Give the variables. They may hold a NUL, which whoever starts a process with them has to refuse."""
        read = self._environment
        if isinstance(read, bytes):
            read = _parse(_Environment, read)
        if read.env_bytes is None:
            return read.env
        entries = map(_decoded, read.env_bytes)
        return dict(_split_entry(entry) for entry in entries if "=" in entry[1:])


def _read_request(frame: bytes) -> tuple[_Command, bytes | _Environment]:
    # Inside a string the quotes would have backslashes, so this can only be a key.
    head, mark, rest = frame.partition(b',"env":{')
    if mark:
        try:
            return _Command.model_validate_json(head + b"}"), b'{"env":{' + rest
        except ValidationError:
            pass  # a key of some object further in, say
    return _parse(_Command, frame), _parse(_Environment, frame)


Number = Annotated[int, Field(ge=0, le=HIGHEST_DESCRIPTOR)]
SignalNumber = Annotated[int, Field(ge=1, le=SIGNALS)]
Limit = Annotated[int, Field(ge=-1, lt=1 << 64)]


class DescriptorsMessage(_Message):
    """Step 3: where the descriptors that come with it belong, and what else a command inherits."""

    fds: Annotated[list[Number], Field(max_length=DESCRIPTORS_PER_FRAME)]
    more: bool = False
    umask: Annotated[int, Field(ge=0, le=0o777)] | None = None
    rlimits: dict[str, Annotated[list[Limit], Field(min_length=2, max_length=2)]] = {}
    ignored_signals: list[SignalNumber] = []
    blocked_signals: list[SignalNumber] = []


class SignalMessage(_Message):
    """A signal that the wrapper got, to be passed on to the command or to all of its group."""

    signal: SignalNumber
    group: bool = False


_FOLLOWUP: TypeAdapter[DescriptorsMessage | SignalMessage] = TypeAdapter(DescriptorsMessage | SignalMessage)


def parse_followup(frame: bytes) -> DescriptorsMessage | SignalMessage:
    """Read what comes after an Escalate answer."""
    try:
        return _FOLLOWUP.validate_json(frame)
    except ValidationError as error:
        raise _malformed(error) from error


RUN_ANSWER = encode_frame(b'{"action":"Run"}')
ESCALATE_ANSWER = encode_frame(b'{"action":"Escalate","protocol":%d}' % PROTOCOL_VERSION)


def deny_answer(reason: str | None) -> bytes:
    """Answer Deny. A wrapper reads no more than 64 KiB, so a reason has a limit."""
    if reason is not None:
        reason = reason[:REASON_CHARS].encode(errors="replace").decode()
    return _frame({"action": {"Deny": {"reason": reason}}})


def stopped_report(number: int) -> bytes:
    """Report that a signal has stopped the command."""
    return _frame({"stopped": number})


def _frame(message: dict[str, object]) -> bytes:
    return encode_frame(json.dumps(message, separators=(",", ":")).encode())


def _exact(text: str, encoded: str | None) -> str:
    return _without_nul(text if encoded is None else _decoded(encoded))


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise ProtocolError(f"the wrapper sent a string that can't be read: {error}") from error


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ProtocolError("the wrapper sent a string with a NUL in it")
    return text


def _split_entry(entry: str) -> tuple[str, str]:
    equals = entry.index("=", 1)
    return entry[:equals], entry[equals + 1 :]


def _parse(model: type[_M], frame: bytes) -> _M:
    try:
        return model.model_validate_json(frame)
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> ProtocolError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return ProtocolError(f"the wrapper sent what the protocol does not have: {place}: {first['msg']}")
