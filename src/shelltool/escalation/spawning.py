"""What a process is started with, as a keeper reads it: its strings in one block, what it inherits, its descriptors.

The layout is in `keeper_wire.py`. Nothing here talks to a keeper.
"""

import array
import resource
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shelltool.errors import ProtocolError
from shelltool.escalation.keeper_wire import (
    BLOCK,
    LIMIT,
    MAIN,
    PROGRAM,
    REPLY,
    SCRIPT,
    SERVERS_UMASK,
    SPAWN_BODY,
    TRUSTED,
    UNLIMITED,
)

_MASK_BITS = 64


class Inherited:
    """What a process gets besides its arguments: of a caller's, or of the server's own where that is left out.

    As a keeper reads it, because a command most often inherits what the last one did.
    """

    __slots__ = ("blocked_signals", "ignored_signals", "limit_count", "limits", "umask")

    def __init__(
        self,
        *,
        umask: int | None = None,
        rlimits: Mapping[int, tuple[int, int]] = MappingProxyType({}),
        ignored_signals: Iterable[int] = (),
        blocked_signals: Iterable[int] = (),
    ) -> None:
        self.umask = SERVERS_UMASK if umask is None else umask
        self.ignored_signals = _bits(ignored_signals)
        self.blocked_signals = _bits(blocked_signals)
        self.limit_count = len(rlimits)
        self.limits = b"".join(
            LIMIT.pack(number, 0, _limit(soft), _limit(hard)) for number, (soft, hard) in rlimits.items()
        )


class Variables:
    """The environment of a process, as a keeper reads it. Surrogate escapes are other bytes."""

    __slots__ = ("block", "count")

    def __init__(self, env: Mapping[str, str]) -> None:
        self.count = len(env)
        self.block = _block([f"{name}={value}" for name, value in env.items()], "environment")


class Strings:
    """Path, arguments and variables of a process, as a keeper reads them."""

    __slots__ = ("argument_count", "block", "variable_count")

    def __init__(self, path: str, argv: Sequence[str], variables: Variables) -> None:
        self.argument_count = len(argv)
        self.variable_count = variables.count
        self.block = _block([path, *argv], "arguments") + variables.block


@dataclass(slots=True, kw_only=True)
class Spawn:
    """A process to start. `descriptors` maps the number that it gets to a descriptor of this process.

    Without `program_fd` the path is executed. `reply_fd` is a wrapper's stream: the keeper itself tells it how the
    process ended. `trusted` says that no hostile file system can make its exec hang. `linger_ms` and `grace_ms` belong to
    `main`, the process whose end ends the call.
    """

    strings: Strings
    workdir_fd: int
    descriptors: Mapping[int, int]
    inherited: Inherited
    program_fd: int | None = None
    reply_fd: int | None = None
    script: bool = False
    main: bool = False
    trusted: bool = False
    linger_ms: int = 0
    grace_ms: int = 0

    @property
    def own_descriptors(self) -> list[int]:
        """Those for the keeper itself, in the order of the message."""
        return [fd for fd in (self.workdir_fd, self.program_fd, self.reply_fd) if fd is not None]

    def body(self, *, block_in_file: bool) -> bytes:
        """Give the message's body, up to the block of strings."""
        inherited, strings = self.inherited, self.strings
        head = SPAWN_BODY.pack(
            self._flags() | (BLOCK if block_in_file else 0),
            inherited.umask,
            inherited.ignored_signals,
            inherited.blocked_signals,
            strings.argument_count,
            strings.variable_count,
            len(self.descriptors),
            inherited.limit_count,
            self.linger_ms,
            self.grace_ms,
        )
        return head + inherited.limits + array.array("i", self.descriptors).tobytes()

    def _flags(self) -> int:
        return (
            (MAIN if self.main else 0)
            | (PROGRAM if self.program_fd is not None else 0)
            | (SCRIPT if self.script else 0)
            | (REPLY if self.reply_fd is not None else 0)
            | (TRUSTED if self.trusted else 0)
        )


def _block(strings: list[str], what: str) -> bytes:
    block = "\0".join([*strings, ""]).encode(errors="surrogateescape")
    if block.count(b"\0") != len(strings):
        raise ProtocolError(f"a command is not started: a NUL in its {what}")
    return block


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers) if 0 < number < _MASK_BITS)


def _limit(value: int) -> int:
    return UNLIMITED if value in (-1, resource.RLIM_INFINITY) else value
