"""The supervisor where there is no compiled one: run as a program, it starts one process and leaves nothing of it.

The twin of `native/process_supervisor.c`, which says what it is given; the messages are in `supervising.py`. But for one
thing: the environment of the process is read from the descriptor behind the last one that was named. On Linux
it inherits what daemonises. Elsewhere it does not: there, what leaves the process group and loses its parent is not
found. Sparing with imports, because a start waits for it.
"""

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
import termios
import time

if __name__ == "__main__":  # without what the packages themselves import
    _PACKAGE = __file__.rpartition("/exec_server/")[0]
    for _name, _path in (("shelltool", _PACKAGE), ("shelltool.escalation", f"{_PACKAGE}/escalation")):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [_path]

from shelltool.escalation.keeper_processes import (
    KILL_LIMIT_S,
    ROUND_S,
    become_subreaper,
    guard,
    signal_descendants,
)
from shelltool.escalation.keeper_wire import NOT_RUN

CONTROL = 3
FIXED_ARGUMENTS = 4
MESSAGE = struct.Struct("=Ii")
STARTED, FAILED_FOLDER, FAILED_EXEC, EXITED, GONE = 1, 2, 3, 4, 5
SIGNAL_GROUP, SIGNAL_ALL, END_ALL = 1, 2, 3
FILES_MAX = 1 << 16


class Supervisor:
    """One process and what descends from it."""

    def __init__(self, arguments: list[str], env: dict[bytes, bytes]) -> None:
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, CONTROL)
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._failure, self._child = _start(arguments, env)
        self._killing_until = 0.0

    def supervise(self) -> None:
        """Serve until nothing is left."""
        _let_go_of_streams()
        left = True
        while left:
            self._wait()
            left = self._reap()
            if left and self._killing_until:
                signal_descendants(signal.SIGKILL, [self._child] if self._child else [])
                if time.monotonic() >= self._killing_until:
                    break
        self._tell(GONE, int(left))

    def _wait(self) -> None:
        watched = [self._woken]
        if self._failure >= 0:
            watched.append(self._failure)
        if not self._killing_until:
            watched.append(CONTROL)
        ready, _, _ = select.select(watched, [], [], ROUND_S if self._killing_until else None)
        if self._failure in ready:
            self._take_start()
        if self._woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if CONTROL in ready:
            self._obey()

    def _obey(self) -> None:
        data = self._server.recv(MESSAGE.size)
        kind, value = MESSAGE.unpack(data) if len(data) == MESSAGE.size else (END_ALL, 0)
        if kind == END_ALL:
            self._killing_until = time.monotonic() + KILL_LIMIT_S
        elif kind == SIGNAL_GROUP and self._child:
            _kill(self._child, value)
        elif kind == SIGNAL_ALL:
            signal_descendants(value, [self._child] if self._child else [])

    def _take_start(self) -> None:
        data = os.read(self._failure, MESSAGE.size)
        os.close(self._failure)
        self._failure = -1
        if len(data) == MESSAGE.size:
            self._tell(*MESSAGE.unpack(data))
        else:
            self._tell(STARTED, self._child)

    def _reap(self) -> bool:
        """Take what has ended; tell whether processes are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                if self._failure >= 0:
                    self._take_start()
                self._child = 0
                self._tell(EXITED, status)

    def _tell(self, kind: int, value: int) -> None:
        with contextlib.suppress(OSError):
            self._server.send(MESSAGE.pack(kind, value), socket.MSG_DONTWAIT)


def _start(arguments: list[str], env: dict[bytes, bytes]) -> tuple[int, int]:
    failure, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            _become(arguments, env, report)
        except OSError as error:
            os.write(report, MESSAGE.pack(FAILED_EXEC, error.errno or 0))
        finally:
            os._exit(NOT_RUN)
    os.close(report)
    return failure, pid


def _become(arguments: list[str], env: dict[bytes, bytes], report: int) -> None:
    flags, files, folder, program = arguments[:FIXED_ARGUMENTS]
    if flags.startswith("t"):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if int(files) > 0:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), hard))
    try:
        os.chdir(folder)
    except OSError as error:
        os.write(report, MESSAGE.pack(FAILED_FOLDER, error.errno or 0))
        return
    _reset_signals()
    os.execve(program, arguments[FIXED_ARGUMENTS:], env)


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)


def _kill(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except OSError:
        with contextlib.suppress(ProcessLookupError):  # it has not made its group yet
            os.kill(child, number)


def _let_go_of_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(CONTROL):
        os.dup2(nothing, number, inheritable=False)
    os.close(nothing)


def _close_strangers(kept: int) -> None:
    os.closerange(CONTROL + 1, kept)
    os.closerange(max(kept, CONTROL) + 1, FILES_MAX)
    os.set_inheritable(CONTROL, False)  # noqa: FBT003 - it takes no name


def run(arguments: list[str]) -> None:
    """Be the guard, and the supervisor proper in a child."""
    kept = int(arguments[0][1:])
    with os.fdopen(max(kept, CONTROL) + 1, "rb") as file:
        entries = file.read().split(b"\0")[:-1]
    env = {name: value for name, _, value in (entry.partition(b"=") for entry in entries)}
    _close_strangers(kept)
    become_subreaper()
    supervisor = os.fork()
    if supervisor:
        _let_go_of_streams()
        guard(supervisor, CONTROL)
        return
    become_subreaper()
    Supervisor(arguments, env).supervise()


if __name__ == "__main__":
    run(sys.argv[1:])
