"""What the Python keeper does to processes: start them faithfully, find all that descends from it, signal those.

The messages are in `keeper_wire.py`. On Linux orphans come back to the keeper, as a subreaper. Elsewhere they don't:
there, what has left its process group and lost its parent is not found.
"""

import array
import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

from shelltool.escalation.keeper_wire import (
    BLOCK,
    HEADER,
    KEEPER_SOCKET,
    LIMIT,
    MAIN,
    PROGRAM,
    REPLY,
    SCRIPT,
    SERVERS_UMASK,
    SPAWN,
    SPAWN_BODY,
    UNLIMITED,
)
from shelltool.escalation.odd_execve import execve

NOT_RUN = 126
ROUND_S = 0.002
"""Between two looks for processes that are still there."""
KILL_LIMIT_S = 5.0
"""What SIGKILL has not ended by then never ends."""
MESSAGE_FDS = 253
PS_LIMIT_S = 2.0
STANDARD_SIGNALS = range(1, 64)
STATE_FIELDS = 3

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
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
    _die_with(keeper)
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
    """Put each descriptor at its number, which may be where another is now."""
    moved = {target: _above(source, lowest) for target, source in wanted.items()}
    for target in range(KEEPER_SOCKET):
        os.set_inheritable(target, False)  # noqa: FBT003 - it takes no name
    for target, source in moved.items():
        os.dup2(source, target)


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


def become_subreaper() -> None:
    """Inherit what loses its parent."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _die_with(parent: int) -> None:
    """Be killed when the keeper is."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(NOT_RUN)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def children_left() -> bool:
    """Reap, and tell whether there are more."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return True
        except ChildProcessError:
            return False


def guard(keeper: int, control: int) -> None:
    """Wait for the keeper proper, a child of this process, and end what it leaves when something kills it.

    `control` is the keeper's descriptor to the server.
    """
    os.close(control)
    _, status = os.waitpid(keeper, os.WUNTRACED)
    while os.WIFSTOPPED(status):  # by what it keeps, maybe: a stopped keeper keeps nothing
        os.kill(keeper, signal.SIGCONT)
        _, status = os.waitpid(keeper, os.WUNTRACED)
    deadline = time.monotonic() + KILL_LIMIT_S
    while status and children_left() and time.monotonic() < deadline:
        signal_descendants(signal.SIGKILL, ())
        time.sleep(ROUND_S)


def signal_descendants(number: int, known: Iterable[int]) -> None:
    """Signal every descendant. What forks on and on can run away from a signal to it, not from one to its group."""
    table = _processes()
    own_group = os.getpgrp()
    for pid in dict.fromkeys([*_descendants(table), *known]):
        group = table.get(pid, (0, own_group))[1]
        if number == signal.SIGKILL and group != own_group:
            _send(-group, number)
        _send(pid, number)
        if number != signal.SIGKILL:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _descendants(table: dict[int, tuple[int, int]]) -> list[int]:
    """Give them with the parents first: a shell must not go on when its command ends."""
    ours: list[int] = []
    found = [os.getpid()]
    while found:
        found = [pid for pid, (parent, _) in table.items() if parent in found and pid not in ours]
        ours += found
    return ours


def _processes() -> dict[int, tuple[int, int]]:
    """Give parent and group of every process."""
    if sys.platform != "linux":
        command = ["/bin/ps", "-axo", "pid=,ppid=,pgid="]
        lines = subprocess.run(
            command, capture_output=True, check=False, timeout=PS_LIMIT_S, text=True
        ).stdout
        rows = [list(map(int, line.split())) for line in lines.splitlines()]
        return {pid: (parent, group) for pid, parent, group in rows}
    table = {}
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - sparing with imports
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - as above
                state = file.read(4096).rpartition(b")")[2].split()  # the name before it may hold anything
        except OSError:
            continue
        if len(state) >= STATE_FIELDS:
            table[int(name)] = (int(state[1]), int(state[2]))
    return table


def _whole_file(fd: int) -> bytes:
    content = b""
    while part := os.pread(fd, 1 << 20, len(content)):
        content += part
    return content
