"""The JSON messages of the escalation protocol, to and from the wrapper, but for the first (`exec_message.py`).

What comes from the wrapper's side is written by whoever runs in the sandbox, so it is checked here and nowhere else.
`docs/escalation-protocol.md` is the reference.
"""

import json
import signal
from typing import Annotated

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


def _malformed(error: ValidationError) -> ProtocolError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return ProtocolError(f"the wrapper sent what the protocol does not have: {place}: {first['msg']}")
