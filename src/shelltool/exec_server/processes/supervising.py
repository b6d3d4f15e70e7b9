"""The server's side of a supervisor: the small program that starts one process and owns all that descends from it.

Owns the start of a supervisor and the messages between the two: eight bytes each, over a socket that keeps their
borders. What a supervisor does is in `native/process_supervisor.c` and, for machines without it, `supervisor.py`.
"""

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from shelltool.descriptor_limit import original_limits
from shelltool.errors import ProgramMissingError
from shelltool.nameless_file import file_of
from shelltool.shells import find_program

PROGRAM_NAME = "codex-process-supervisor"
CONTROL = 3
MESSAGE = struct.Struct("=Ii")

SIGNAL_GROUP, SIGNAL_ALL, END_ALL = 1, 2, 3
"""What a supervisor is told."""

REAP_ROUND_S = 0.002
REAP_ROUNDS = 5000
"""The guard ends right after the supervisor proper, or has up to 5 s of its own to end things in."""


class News(IntEnum):
    """What a supervisor tells. Of FAILED_*, the value is an errno, of EXITED a status of wait(2), of GONE what is left."""

    STARTED = 1
    FAILED_FOLDER = 2
    FAILED_EXEC = 3
    EXITED = 4
    GONE = 5


@dataclass(frozen=True, slots=True)
class SupervisorProgram:
    """What is run as a supervisor; its arguments stand before those of each start."""

    path: str
    argv: tuple[str, ...]
    apart: bool = False
    """Whether it reads the environment of the process from a file, and has the server's own: what a client sets for the
    loader would be loaded into it, outside of the sandbox. One that is static loads nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process to start. `streams`: descriptors that become its 0, 1 and 2."""

    program: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    streams: tuple[int, int, int]
    terminal: bool
    kept: tuple[int, int] | None = None
    """A further descriptor: the number that it gets, and the one that it has here."""


def find_supervisor() -> SupervisorProgram:
    """Give the compiled supervisor, or the Python one where there is none."""
    try:
        return SupervisorProgram(str(find_program(PROGRAM_NAME)), (PROGRAM_NAME,))
    except ProgramMissingError:
        return python_supervisor()


def python_supervisor() -> SupervisorProgram:
    """Give the supervisor that needs nothing but this Python."""
    twin = Path(__file__).with_name("supervisor.py")
    return SupervisorProgram(sys.executable, (sys.executable, "-I", "-S", str(twin)), apart=True)


class Supervisor:
    """One supervisor and the process in its care. Lives on the event loop that it was made on."""

    def __init__(
        self, program: SupervisorProgram, launch: Launch, tell: Callable[[News, int], None], files_limit: int
    ) -> None:
        """Start it. `tell` hears of everything, and of GONE exactly once and last. An OSError: it does not start."""
        self._loop = asyncio.get_running_loop()
        self._tell = tell
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                self._pid = _spawn(program, launch, its.fileno(), files_limit)
            except BaseException:
                ours.close()
                raise
        os.set_blocking(ours.fileno(), False)
        self._socket: socket.socket | None = ours
        self._loop.add_reader(ours.fileno(), self._hear)

    @property
    def is_there(self) -> bool:
        """Whether there may be processes left."""
        return self._socket is not None

    def signal_group(self, number: int) -> None:
        """Signal the process group of the process, while the process has not ended."""
        self._say(SIGNAL_GROUP, number)

    def signal_all(self, number: int) -> None:
        """Signal all that descends from the process."""
        self._say(SIGNAL_ALL, number)

    def end_all(self) -> None:
        """End everything by force. GONE says when it is so."""
        self._say(END_ALL, 0)

    def _say(self, kind: int, value: int) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # gone, which its end of the socket tells
            self._socket.send(MESSAGE.pack(kind, value))

    def _hear(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(MESSAGE.size)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            kind, value = MESSAGE.unpack(data) if len(data) == MESSAGE.size else (News.GONE, 0)
            if kind == News.GONE:
                self._forget()
            self._tell(News(kind), value)

    def _forget(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            self._reap(REAP_ROUNDS)

    def _reap(self, rounds: int) -> None:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self._pid, os.WNOHANG)[0] == 0 and rounds > 0:
                self._loop.call_later(REAP_ROUND_S, self._reap, rounds - 1)


def raise_files_limit() -> int:
    """Let this process open as many files as it may; give the old limit, which processes get."""
    return original_limits().get(resource.RLIMIT_NOFILE, (0, 0))[0]


def _spawn(program: SupervisorProgram, launch: Launch, control: int, files_limit: int) -> int:
    kept, source = launch.kept or (CONTROL, control)
    flags = f"{'t' if launch.terminal else '-'}{kept}"
    argv = [*program.argv, flags, str(files_limit), launch.cwd, launch.program, *launch.argv]
    targets = {
        0: launch.streams[0],
        1: launch.streams[1],
        2: launch.streams[2],
        CONTROL: control,
        kept: source,
    }
    with contextlib.ExitStack() as opened:
        env = launch.env
        if program.apart:
            env = os.environ
            targets[max(targets) + 1] = opened.enter_context(file_of(_environment_block(launch.env)))
        # Away from the numbers that are set up; onto itself, dup2 would leave it close-on-exec.
        moved = {}
        for to, fd in targets.items():
            moved[to] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(targets) + 1)
            opened.callback(os.close, moved[to])
        return os.posix_spawn(
            program.path,
            argv,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in moved.items()],
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )


def _environment_block(env: Mapping[str, str]) -> bytes:
    return b"".join(b"%b=%b\0" % (os.fsencode(name), os.fsencode(value)) for name, value in env.items())
