"""The server's side of a keeper: the process outside the sandbox that owns every process of one call.

Owns the messages between the two (fixed binary headers over a stream socket, descriptors as SCM_RIGHTS) and the start
of a keeper. What a keeper does is in `native/exec_keeper.h` and, for platforms without it, `keeper.py`.
"""

import array
import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

from shelltool.errors import LaunchError, ProtocolError
from shelltool.escalation import keeper_wire
from shelltool.escalation.keeper_wire import (
    BLOCK,
    HEADER,
    KEEPER_NAME,
    KEEPER_SOCKET,
    LIMIT,
    MAIN,
    PROGRAM,
    REPLY,
    SCRIPT,
    SERVERS_UMASK,
    SIGNAL,
    SPAWN,
    SPAWN_BODY,
    TO_GROUP,
    TRUSTED,
    UNLIMITED,
)
from shelltool.nameless_file import file_of

OUTPUT_BYTES_MAX = 1 << 20
"""More than a keeper puts into one event."""

INLINE_BYTES = 48 << 10
"""A longer block of strings goes by way of a file."""

READ_BYTES = 32 << 10
SEND_LIMIT_S = 5.0
"""A keeper reads what it is sent at once; one that was stopped from outside is given up."""

REAP_ROUND_S = 0.0002

FINISH_LIMIT_S = 10.0
"""More than a keeper takes to end everything and give up what can't be ended."""

_MASK_BITS = 64

_SEND_NOW = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class EventKind(IntEnum):
    """What a keeper tells."""

    EXITED = keeper_wire.EXITED
    STOPPED = keeper_wire.STOPPED
    OUTPUT = keeper_wire.OUTPUT
    DONE = keeper_wire.DONE
    READY = keeper_wire.READY


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
    process ended. `trusted` says that no hostile file system can make its exec hang. `linger_ms` and `grace_ms` belong to `main`, the process whose end ends the call.
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


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a keeper tells; what `value` is depends on the kind."""

    kind: EventKind
    id: int
    value: int
    data: bytes

    @property
    def exit_code(self) -> int:
        """The status as a shell gives it: 128+n after signal n."""
        return 128 + os.WTERMSIG(self.value) if os.WIFSIGNALED(self.value) else os.WEXITSTATUS(self.value)

    @property
    def error(self) -> int | None:
        """The errno that starting it failed with."""
        return int.from_bytes(self.data[:4], sys.byteorder) if self.data else None


class EventReader:
    """Cuts what a keeper sends into events. Sans I/O."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived and give the events that it completes."""
        self._buffer += data
        events = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            kind, identifier, value, size = HEADER.unpack_from(self._buffer, start)
            if size > OUTPUT_BYTES_MAX:
                raise ProtocolError(f"a keeper announced {size} bytes at once")
            end = start + HEADER.size + size
            if end > len(self._buffer):
                break
            body = bytes(self._buffer[start + HEADER.size : end])
            events.append(Event(EventKind(kind), identifier, value, body))
            start = end
        del self._buffer[:start]
        return events


@dataclass(frozen=True, slots=True)
class KeeperProgram:
    """What is started as a keeper: the native helper, or Python with `keeper.py`."""

    path: Path
    argv: tuple[str, ...] = (KEEPER_NAME,)


class Keeper:
    """One keeper process and the socket to it. `end` and `kill` may be called from any thread, the rest from one."""

    def __init__(self, program: KeeperProgram) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._guard_pid = _start(program, theirs.fileno())
            except OSError as error:
                ours.close()
                raise LaunchError(
                    f"{program.path}: the keeper of processes does not start: {error}"
                ) from error
        self.socket = ours
        self._pid: int | None = None
        self._events = EventReader()

    def spawn(self, identifier: int, spawn: Spawn) -> None:
        """Have a process started; whether that worked comes as an event."""
        block = spawn.strings.block
        own = [fd for fd in (spawn.workdir_fd, spawn.program_fd, spawn.reply_fd) if fd is not None]
        if len(block) <= INLINE_BYTES:
            self._send_spawn(identifier, _spawn_body(spawn, 0) + block, own, spawn.descriptors)
            return
        with file_of(block) as fd:
            self._send_spawn(identifier, _spawn_body(spawn, BLOCK), [*own, fd], spawn.descriptors)

    def _send_spawn(
        self, identifier: int, body: bytes, own: list[int], descriptors: Mapping[int, int]
    ) -> None:
        header = HEADER.pack(SPAWN, identifier, 0, len(body))
        self._send(header + body, array.array("i", [*own, *descriptors.values()]))

    def signal(self, identifier: int, number: int, *, group: bool) -> None:
        """Have a process that was spawned, or its group, signalled."""
        self._send(HEADER.pack(SIGNAL, identifier, number | (TO_GROUP if group else 0), 0))

    def receive(self) -> list[Event] | None:
        """Give the events that have come, None when the keeper is gone. Never waits."""
        try:
            data = self.socket.recv(READ_BYTES, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        if not data:
            return None
        events = self._events.feed(data)
        for event in events:
            if event.kind is EventKind.READY:
                self._pid = event.id
        return events

    def end(self) -> None:
        """Have every process ended. Waits for nothing: DONE says when it is so."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """Give up a keeper that does not answer: its guard ends what it leaves."""
        for pid, number in ((self._guard_pid, signal.SIGCONT), (self._pid, signal.SIGKILL)):
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def finish(self) -> None:
        """End what is still there, and wait for the keeper's own end."""
        self.end()
        deadline = time.monotonic() + FINISH_LIMIT_S
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0] and self.receive() is None:
                break
        else:
            self.kill()
        self.socket.close()
        self._reap()

    def _reap(self) -> None:
        """Wait for the guard, which ends when all is ended; one that does not is killed."""
        deadline = time.monotonic() + FINISH_LIMIT_S
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self._guard_pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(self._guard_pid, signal.SIGKILL)
                time.sleep(REAP_ROUND_S)

    def _send(self, message: bytes, fds: "array.array[int] | None" = None) -> None:
        """Send all of it, or nothing where the keeper is gone: its end comes as the end of its events."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
        view = memoryview(message)
        while view:
            try:
                sent = self.socket.sendmsg([view], rights, _SEND_NOW)
            except BlockingIOError:
                if not select.select([], [self.socket], [], SEND_LIMIT_S)[1]:
                    return self.kill()
                continue
            except OSError:
                return None
            view, rights = view[sent:], []
        return None


def _block(strings: list[str], what: str) -> bytes:
    block = "\0".join([*strings, ""]).encode(errors="surrogateescape")
    if block.count(b"\0") != len(strings):
        raise ProtocolError(f"a command is not started: a NUL in its {what}")
    return block


def _start(program: KeeperProgram, fd: int) -> int:
    # Away from the numbers that are set up; onto itself, dup2 would leave it close-on-exec.
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, KEEPER_SOCKET + 1)
    try:
        return os.posix_spawn(
            program.path,
            program.argv,
            {},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, moved, KEEPER_SOCKET),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    finally:
        os.close(moved)


def _spawn_body(spawn: Spawn, flags: int) -> bytes:
    flags |= MAIN if spawn.main else 0
    flags |= PROGRAM if spawn.program_fd is not None else 0
    flags |= SCRIPT if spawn.script else 0
    flags |= REPLY if spawn.reply_fd is not None else 0
    flags |= TRUSTED if spawn.trusted else 0
    inherited = spawn.inherited
    head = SPAWN_BODY.pack(
        flags,
        inherited.umask,
        inherited.ignored_signals,
        inherited.blocked_signals,
        spawn.strings.argument_count,
        spawn.strings.variable_count,
        len(spawn.descriptors),
        inherited.limit_count,
        spawn.linger_ms,
        spawn.grace_ms,
    )
    return head + inherited.limits + array.array("i", spawn.descriptors).tobytes()


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in set(numbers) if 0 < number < _MASK_BITS)


def _limit(value: int) -> int:
    return UNLIMITED if value in (-1, resource.RLIM_INFINITY) else value
