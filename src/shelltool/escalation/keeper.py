"""The Python keeper, for platforms without the native one: `python -I -S keeper.py`, with the server's socket at 3.

Owns the loop: commands in, events and output out, and the phases from running to finished. `native/exec_keeper.h` is
the twin; unlike that, it can only guess the order in which stdout and stderr were written when both wait to be read.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time

if __name__ == "__main__":
    _FOLDER = __file__.rpartition("/")[0]
    for _name, _path in (("shelltool", _FOLDER.rpartition("/")[0]), ("shelltool.escalation", _FOLDER)):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [_path]

from shelltool.escalation.keeper_processes import (
    KILL_LIMIT_S,
    ROUND_S,
    become_subreaper,
    guard,
    signal_descendants,
)
from shelltool.escalation.keeper_spawn import Request, close_strangers, read_request, start_process
from shelltool.escalation.keeper_wire import (
    DONE,
    EXITED,
    HEADER,
    KEEPER_SOCKET,
    MAIN,
    NOT_RUN,
    OUTPUT,
    READY,
    REPLY,
    SPAWN,
    STOPPED,
    TO_GROUP,
)

PENDING_BYTES = 256 << 10
READ_BYTES = 64 << 10
GRACE_LIMIT_S = 1.0

RUNNING, LINGERING, TERMINATING, KILLING, FINISHED = range(5)


class Child:
    """A process that was started for the server."""

    def __init__(self, number: int, pid: int, failure_fd: int, reply_fd: int, *, main: bool) -> None:
        self.number = number
        self.pid = pid
        self.failure_fd = failure_fd
        self.reply_fd = reply_fd
        self.main = main


class Keeper:
    """Keeps the processes of one call."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._pending = bytearray()
        self._children: dict[int, Child] = {}
        self._outputs: dict[int, int] = {}
        self._phase = RUNNING
        self._phase_ends = 0.0
        self._linger_s = self._grace_s = 0.0
        self._told_to_end = self._server_gone = False
        self._selector = selectors.DefaultSelector()
        awake, wake = os.pipe()
        for fd in (awake, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._awake = awake
        self._selector.register(awake, selectors.EVENT_READ)
        self._selector.register(server, selectors.EVENT_READ)

    def keep(self) -> None:
        """Serve until no process is left."""
        self._report(READY, os.getpid(), 0)
        self._flush()
        while self._phase != FINISHED:
            self._serve_once()
            self._advance(anything_left=self._reap())
            self._flush()
        while self._outputs and not self._server_gone and self._relay_all():
            self._flush(wait=True)
        self._report(DONE, 0, int(self._reap()))
        self._flush(wait=True)

    def _serve_once(self) -> None:
        for key, _ in self._selector.select(self._patience_s()):
            if key.fd == self._awake:
                os.read(self._awake, 4096)
            elif key.fd == self._server.fileno():
                self._obey()
            elif len(self._pending) < PENDING_BYTES:
                self._relay(key.fd)

    def _patience_s(self) -> float | None:
        if self._pending:
            return ROUND_S
        if self._phase == RUNNING:
            return None
        return ROUND_S if self._phase == KILLING else max(0.0, self._phase_ends - time.monotonic())

    def _report(self, kind: int, number: int, value: int, data: bytes = b"") -> None:
        self._pending += HEADER.pack(kind, number, value, len(data)) + data

    def _flush(self, *, wait: bool = False) -> None:
        self._server.settimeout(KILL_LIMIT_S if wait else 0)
        try:
            while self._pending and not self._server_gone:
                del self._pending[: self._server.send(self._pending)]
        except BlockingIOError:
            return
        except OSError:
            self._server_gone = True
        finally:
            self._server.settimeout(None)

    def _relay(self, fd: int) -> bool:
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._report(OUTPUT, 0, self._outputs[fd], data)
            return True
        self._selector.unregister(fd)
        del self._outputs[fd]
        os.close(fd)
        return False

    def _relay_all(self) -> bool:
        relayed = [self._relay(fd) for fd in list(self._outputs)]
        return any(relayed)

    def _obey(self) -> None:
        request = read_request(self._server)
        if request is None:
            self._told_to_end = True
            self._selector.unregister(self._server)
        elif request.kind == SPAWN:
            self._start(request)
        elif child := next((c for c in self._children.values() if c.number == request.number), None):
            self._signal(child.pid, request.value & 0xFF, to_group=bool(request.value & TO_GROUP))

    def _signal(self, pid: int, number: int, *, to_group: bool) -> None:
        try:
            if to_group:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        except ProcessLookupError:
            if to_group:  # it has not made its group yet
                self._signal(pid, number, to_group=False)

    def _start(self, request: Request) -> None:
        main = bool(request.flags & MAIN)
        if main:
            self._linger_s = request.linger_ms / 1000
            self._grace_s = min(request.grace_ms / 1000, GRACE_LIMIT_S)
        reply_fd = request.take_reply() if request.flags & REPLY else -1
        outputs = self._open_outputs() if main else ()
        try:
            pid, failure_fd = start_process(request, outputs)
        except OSError as error:
            self._report_end(request.number, reply_fd, NOT_RUN << 8, error.errno or 0)
            self._phase = FINISHED if main else self._phase
            return
        finally:
            request.close()
            for fd in outputs:
                os.close(fd)
        self._children[pid] = Child(request.number, pid, failure_fd, reply_fd, main=main)

    def _open_outputs(self) -> tuple[int, ...]:
        write_ends = []
        for number in (1, 2):
            read_end, write_end = os.pipe()
            os.set_blocking(read_end, False)
            self._outputs[read_end] = number
            self._selector.register(read_end, selectors.EVENT_READ)
            write_ends.append(write_end)
        return tuple(write_ends)

    def _reap(self) -> bool:
        """Take what has ended; tell whether processes are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            child = self._children.get(pid)
            if child and os.WIFSTOPPED(status):
                self._report(STOPPED, child.number, os.WSTOPSIG(status))
            elif child:
                del self._children[pid]
                self._end_of(child, status)

    def _end_of(self, child: Child, status: int) -> None:
        failed = os.read(child.failure_fd, 4)
        os.close(child.failure_fd)
        self._report_end(child.number, child.reply_fd, status, int.from_bytes(failed, sys.byteorder))
        if child.main and self._phase == RUNNING:
            self._enter(LINGERING, self._linger_s)

    def _report_end(self, number: int, reply_fd: int, status: int, error: int) -> None:
        if reply_fd >= 0:
            code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            text = b'{"exit_code":%d,"errno":%d}' % (code, error) if error else b'{"exit_code":%d}' % code
            wrapper = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, reply_fd)
            with wrapper, contextlib.suppress(OSError):
                wrapper.send(len(text).to_bytes(4, "little") + text, socket.MSG_DONTWAIT)
        self._report(EXITED, number, status, error.to_bytes(4, sys.byteorder) if error else b"")

    def _enter(self, phase: int, lasts_s: float) -> None:
        self._phase, self._phase_ends = phase, time.monotonic() + lasts_s

    def _advance(self, *, anything_left: bool) -> None:
        over = self._told_to_end or self._server_gone
        if over and self._phase in {RUNNING, LINGERING}:
            self._enter(LINGERING, 0)
        if self._phase not in {RUNNING, FINISHED} and not anything_left:
            self._phase = FINISHED
        if self._phase == LINGERING and time.monotonic() >= self._phase_ends:
            self._enter(TERMINATING, self._grace_s)
            if self._grace_s:
                signal_descendants(signal.SIGTERM, self._children)
        if self._phase == TERMINATING and time.monotonic() >= self._phase_ends:
            self._enter(KILLING, KILL_LIMIT_S)
        if self._phase == KILLING:
            signal_descendants(signal.SIGKILL, self._children)
            if time.monotonic() >= self._phase_ends:
                self._phase = FINISHED


def run_keeper() -> None:
    """Be the guard, and the keeper proper in a child."""
    close_strangers()
    become_subreaper()
    keeper = os.fork()
    if keeper:
        guard(keeper, KEEPER_SOCKET)
        return
    become_subreaper()
    Keeper(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, KEEPER_SOCKET)).keep()


if __name__ == "__main__":
    run_keeper()
