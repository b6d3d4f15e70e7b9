"""The server's side of a keeper: the process outside the sandbox that owns every process of one call.

Owns the start and the end of a keeper and the socket to it; what goes over that is in `spawning.py` and
`keeper_events.py`. What a keeper does is in `native/exec_keeper.h` and, for platforms without it, `keeper.py`.
"""

import array
import contextlib
import fcntl
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from shelltool.errors import LaunchError
from shelltool.escalation.keeper_events import Event, EventKind, EventReader
from shelltool.escalation.keeper_wire import HEADER, KEEPER_NAME, KEEPER_SOCKET, SIGNAL, SPAWN, TO_GROUP
from shelltool.escalation.spawning import Spawn
from shelltool.nameless_file import file_of

INLINE_BYTES = 48 << 10
"""A longer block of strings goes by way of a file."""

READ_BYTES = 32 << 10
SEND_LIMIT_S = 5.0
"""A keeper reads what it is sent at once; one that was stopped from outside is given up."""

REAP_ROUND_S = 0.0002

FINISH_LIMIT_S = 10.0
"""More than a keeper takes to end everything and give up what can't be ended."""

_SEND_NOW = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


@dataclass(frozen=True, slots=True)
class KeeperProgram:
    """What is started as a keeper: the native helper, or Python with `keeper.py`."""

    path: Path
    argv: tuple[str, ...] = (KEEPER_NAME,)


class Keeper:
    """One keeper process and the socket to it. `end` and `kill` may be called from any thread, the rest from one."""

    def __init__(self, program: KeeperProgram) -> None:
        try:
            self.socket, self._guard_pid = _started(program)
        except OSError as error:
            raise LaunchError(f"{program.path}: the keeper of processes does not start: {error}") from error
        self._pid: int | None = None
        self._events = EventReader()

    def spawn(self, identifier: int, spawn: Spawn) -> None:
        """Have a process started; whether that worked comes as an event. A `LaunchError`: nobody was told."""
        block = spawn.strings.block
        if len(block) <= INLINE_BYTES:
            self._send_spawn(identifier, spawn, spawn.body(block_in_file=False) + block)
            return
        with file_of(block) as fd:
            self._send_spawn(identifier, spawn, spawn.body(block_in_file=True), fd)

    def _send_spawn(self, identifier: int, spawn: Spawn, body: bytes, *block_fd: int) -> None:
        header = HEADER.pack(SPAWN, identifier, 0, len(body))
        fds = array.array("i", [*spawn.own_descriptors, *block_fd, *spawn.descriptors.values()])
        self._send(header + body, fds)

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
            if self._is_ready(select.POLLIN, left) and self.receive() is None:
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
        """Send all of it, or nothing where the keeper is gone: its end comes as the end of its events.

        A `LaunchError`: the system takes no descriptors just now, and nothing was sent.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
        view = memoryview(message)
        while view:
            try:
                sent = self.socket.sendmsg([view], rights, _SEND_NOW)
            except BlockingIOError:
                if not self._is_ready(select.POLLOUT, SEND_LIMIT_S):
                    return self.kill()
                continue
            except (BrokenPipeError, ConnectionResetError):
                return None
            except OSError as error:
                if not rights:  # it may have a part of the message, and could make no sense of what follows
                    return self.kill()
                raise LaunchError(
                    f"a command is not started: its descriptors can't be sent: {error}"
                ) from error
            view, rights = view[sent:], []
        return None

    def _is_ready(self, event: int, patience_s: float) -> bool:
        """Wait for the socket, whose number may be more than select(2) takes."""
        poll = select.poll()
        poll.register(self.socket, event)
        return bool(poll.poll(patience_s * 1000))


def _started(program: KeeperProgram) -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            return ours, _start(program, theirs.fileno())
        except OSError:
            ours.close()
            raise


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
