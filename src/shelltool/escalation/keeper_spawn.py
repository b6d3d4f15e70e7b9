"""How the Python keeper starts a process with just what it is to inherit: the twin of `native/keeper_spawn.h`.

The child sets itself up: descriptors at their numbers, working directory, umask, limits, signals; then it executes a
path, or the open file that was judged. The messages are in `keeper_wire.py`.
"""

import array
import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence

from shelltool.escalation.keeper_processes import die_with
from shelltool.escalation.keeper_wire import (
    BLOCK,
    HEADER,
    KEEPER_SOCKET,
    LIMIT,
    MAIN,
    NOT_RUN,
    PROGRAM,
    REPLY,
    SCRIPT,
    SERVERS_UMASK,
    SPAWN,
    SPAWN_BODY,
    UNLIMITED,
)
from shelltool.escalation.odd_execve import execve

MESSAGE_FDS = 253
STANDARD_SIGNALS = range(1, 64)

_FILES_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)


class Request:
    """One message of the server, with its descriptors."""

    def __init__(self, kind: int, number: int, value: int, body: bytes, fds: Sequence[int]) -> None:
        self.kind = kind
        self.number = number
        self.value = value
        self._own = list(fds)
        if kind == SPAWN:
            self._read_spawn(body)

    def _read_spawn(self, body: bytes) -> None:
        (
            self.flags,
            self.umask,
            self.ignored,
            self.blocked,
            arguments,
            _,
            fd_count,
            limit_count,
            self.linger_ms,
            self.grace_ms,
        ) = SPAWN_BODY.unpack_from(body)
        at = SPAWN_BODY.size
        self.limits = [LIMIT.unpack_from(body, at + i * LIMIT.size) for i in range(limit_count)]
        at += limit_count * LIMIT.size
        targets = array.array("i", body[at : at + 4 * fd_count])
        block = body[at + 4 * fd_count :]
        fds = iter(self._own)
        self.workdir_fd = next(fds)
        self.program_fd = next(fds) if self.flags & PROGRAM else -1
        self.reply_fd = next(fds) if self.flags & REPLY else -1
        if self.flags & BLOCK:
            block = _whole_file(next(fds))
        self.inherited = dict(zip(targets, fds, strict=True))
        self.path, *strings, _ = block.split(b"\0")
        self.argv = strings[:arguments]
        self.env = dict(entry.split(b"=", 1) for entry in strings[arguments:])

    def take_reply(self) -> int:
        """Give the wrapper's stream away."""
        self._own.remove(self.reply_fd)
        return self.reply_fd

    def close(self) -> None:
        """Close what came with the message."""
        for fd in self._own:
            os.close(fd)


def read_request(server: socket.socket) -> Request | None:
    """Read the next message; None when there are no more."""
    data, fds, _, _ = socket.recv_fds(server, HEADER.size, MESSAGE_FDS)
    for fd in fds:
        os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no name
    while data and len(data) < HEADER.size:
        data += server.recv(HEADER.size - len(data))
    if not data:
        return None
    kind, number, value, size = HEADER.unpack(data)
    body = b""
    while len(body) < size:
        part = server.recv(size - len(body))
        if not part:
            return None
        body += part
    return Request(kind, number, value, body, fds)


def start_process(request: Request, outputs: Sequence[int]) -> tuple[int, int]:
    """Start a process; give its number and where the errno of a failed exec is read."""
    failure, report = os.pipe()
    os.set_blocking(failure, False)
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        wanted = request.inherited | dict(zip((1, 2), outputs, strict=False))
        lowest = max([KEEPER_SOCKET, *wanted]) + 1
        report = _above(report, lowest)
        try:
            _become(request, wanted, lowest, keeper)
        except OSError as error:
            os.write(report, (error.errno or 0).to_bytes(4, sys.byteorder))
        finally:
            os._exit(NOT_RUN)
    os.close(report)
    return pid, failure


def _become(request: Request, wanted: dict[int, int], lowest: int, keeper: int) -> None:
    if request.flags & MAIN:
        os.setsid()
    else:
        os.setpgid(0, 0)
    die_with(keeper)
    os.fchdir(request.workdir_fd)
    program_fd = _above(request.program_fd, lowest) if request.flags & PROGRAM else -1
    _place(wanted, lowest)
    if request.umask != SERVERS_UMASK:
        os.umask(request.umask)
    _set_limits(request)
    _set_signals(request)
    if request.flags & SCRIPT:  # its interpreter opens /dev/fd/N
        os.set_inheritable(program_fd, True)  # noqa: FBT003 - it takes no name
    by_fd = bool(request.flags & PROGRAM)
    if request.argv and request.argv[0]:
        os.execve(program_fd if by_fd else request.path, request.argv, request.env)
    execve(b"/dev/fd/%d" % program_fd if by_fd else request.path, request.argv, request.env)


def _place(wanted: dict[int, int], lowest: int) -> None:
    """Put each descriptor at its number, which may be where another is now.

    A standard one that the caller has closed is taken by one that can't be used, or the first file that the program
    opens would get its number, and messages would overwrite that.
    """
    moved = {target: _above(source, lowest) for target, source in wanted.items()}
    for target, source in moved.items():
        os.dup2(source, target)
    for target in {0, 1, 2} - moved.keys():
        os.dup2(os.open(os.devnull, os.O_WRONLY if target == 0 else os.O_RDONLY), target)


def _above(fd: int, lowest: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)


def _set_limits(request: Request) -> None:
    """Set the caller's limits, never above the server's own."""
    resource.setrlimit(resource.RLIMIT_NOFILE, _FILES_LIMIT)
    for number, _, soft, hard in request.limits:
        own_hard = resource.getrlimit(number)[1]
        allowed = min(hard, UNLIMITED if own_hard == resource.RLIM_INFINITY else own_hard)
        resource.setrlimit(number, (_limit(min(soft, allowed)), _limit(allowed)))


def _limit(value: int) -> int:
    return resource.RLIM_INFINITY if value == UNLIMITED else value


def _set_signals(request: Request) -> None:
    for number in signal.valid_signals():
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN if request.ignored >> number & 1 else signal.SIG_DFL)
    blocked = {number for number in STANDARD_SIGNALS if request.blocked >> number & 1}
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked & signal.valid_signals())


def close_strangers() -> None:
    """Close what the server got from its own parent."""
    os.set_inheritable(KEEPER_SOCKET, False)  # noqa: FBT003 - it takes no name
    for fd in map(int, os.listdir("/dev/fd")):  # noqa: PTH208 - sparing with imports
        if fd > KEEPER_SOCKET:
            with contextlib.suppress(OSError):
                os.close(fd)


def _whole_file(fd: int) -> bytes:
    content = b""
    while part := os.pread(fd, 1 << 20, len(content)):
        content += part
    return content
