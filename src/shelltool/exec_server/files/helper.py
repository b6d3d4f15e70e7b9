"""One process inside a sandbox that makes file system calls for us, as long as we keep it.

The kernel confines the process, so there is no path, link or race by which a call gets out; files that it opens are
handed over and read or written here. It holds nothing else that leads outside: its own program is in sealed memory,
its output is a pipe that nobody reads.
"""

import errno
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterable
from contextlib import ExitStack, suppress

from shelltool.errors import SandboxUnavailableError
from shelltool.exec_server.files import helper_wire as wire
from shelltool.exec_server.files.calls import FOLDER, PERMISSIONS, Calls
from shelltool.exec_server.files.entries import future_path, system_error
from shelltool.exec_server.files.helper_wire import Call
from shelltool.exec_server.files.status import Status
from shelltool.sandbox import OpKind, SandboxPlan, SpawnSpec
from shelltool.sandbox.paths import is_at_or_below

START_S = 10.0
"""bubblewrap takes some milliseconds; a machine under load, longer."""
CALL_S = 30.0
"""A file system that does not answer for so long is as good as gone."""
END_S = 1.0
KILL_S = 5.0
LAST_WORDS_S = 0.1
"""Whoever closes the socket ends at once, and has said why before."""
COMPLAINT_LIMIT = 1024
HIDDEN = {OpKind.HIDDEN_FILE, OpKind.HIDDEN_FOLDER}
_DESCRIPTOR = struct.Struct("i")
LINK_LIMIT = 40
"""The kernel's own."""


class Helper:
    """The process, and the socket to it. From every thread; one call at a time."""

    def __init__(self, spec: SpawnSpec, connection: socket.socket, *, passed: Iterable[int]) -> None:
        """Start it. `passed`: what it is to have, its end of the socket among it."""
        self._connection = connection
        self._lock = threading.RLock()
        self._complaint, complaint = os.pipe()
        try:
            self._process = subprocess.Popen(
                spec.argv,
                executable=spec.program,
                cwd=spec.cwd,
                env=spec.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaint,
                pass_fds=tuple(passed),
                start_new_session=True,
            )
        except OSError as error:
            self._close()
            raise SandboxUnavailableError(f"the sandbox helper: {spec.program}: {error.strerror}") from error
        finally:
            os.close(complaint)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._connection.fileno() >= 0 and self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for its first answer; SandboxUnavailableError says what kept it."""
        self.ask(wire.request(Call.READY), deadline_s=START_S)
        os.close(self._complaint)
        self._complaint = -1

    def ask(
        self, request: bytes, folders: tuple[int, ...] = (), *, deadline_s: float = CALL_S
    ) -> tuple[int, bytes, int]:
        """Have one call made; give its error number, what it gave and the descriptor that it opened, or -1."""
        with self._lock:
            try:
                self._connection.settimeout(deadline_s)
                socket.send_fds(self._connection, [request], folders)
                packet, descriptor, flags = _received(self._connection)
            except OSError as error:
                raise self._lost(str(error)) from error
            if not packet or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise self._lost("it has ended")
        try:
            return *wire.reply(packet), descriptor
        except ValueError as error:
            raise self._lost(str(error)) from error

    def end(self) -> None:
        """End it. It goes by itself when the socket is closed, so that its sandbox is taken down in order."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # whoever waits for an answer gets none, and lets go
        with self._lock:
            self._close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_S)

    def _close(self) -> None:
        self._connection.close()
        if self._complaint >= 0:
            os.close(self._complaint)
            self._complaint = -1

    def _lost(self, reason: str) -> SandboxUnavailableError:
        """Say why there will be no answer, and end what there is."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS_S)
        said = self._said()
        self.end()
        return SandboxUnavailableError(f"fs sandbox helper failed: {said or reason}")

    def _said(self) -> str:
        if self._complaint < 0:
            return ""
        os.set_blocking(self._complaint, False)
        with suppress(OSError):
            return os.read(self._complaint, COMPLAINT_LIMIT).decode("utf-8", "replace").strip()
        return ""


def _received(connection: socket.socket) -> tuple[bytes, int, int]:
    """Receive a packet, a descriptor or -1, and flags. `socket.recv_fds` of Python 3.11 would let children inherit it."""
    packet, ancillary, flags, _ = connection.recvmsg(
        wire.REPLY_LIMIT, socket.CMSG_LEN(_DESCRIPTOR.size), socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, data in ancillary:
        if (level, kind, len(data)) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.size):
            return packet, _DESCRIPTOR.unpack(data)[0], flags
    return packet, -1, flags


class HelperCalls(Calls):
    """The calls of a helper."""

    mode_bits = PERMISSIONS

    def __init__(self, helper: Helper, plan: SandboxPlan) -> None:
        self._helper = helper
        self._plan = plan

    def can_see(self, path: str) -> bool:
        """See `Calls`. What may not be read looks as if it was not there."""
        place = future_path(self, path)
        around = [op for op in self._plan.ops if is_at_or_below(place, op.path)]
        if not around:
            return self._plan.root is not None
        return max(around, key=lambda op: len(op.path)).kind not in HIDDEN

    def open(self, path: str, flags: int, mode: int = 0o666, *, folder: int | None = None) -> int:
        """See `Calls`."""
        request = wire.request(Call.OPEN, path, flags=flags, mode=mode, folders=_given(folder))
        return self._made(path, request, folder)[1]

    def open_to_write(self, path: str, flags: int, mode: int = 0o666) -> int:
        """See `Calls`. Link by link, because each has to be judged by the folder that it leads to."""
        parent: int | None = None
        with ExitStack() as folders:
            for _ in range(LINK_LIMIT):
                above, slash, name = path.rpartition("/")
                if name in {"", ".", ".."}:
                    raise system_error(errno.EISDIR, path)
                if slash:
                    parent = self.open(above or "/", FOLDER, folder=parent)
                    folders.callback(os.close, parent)
                try:
                    return self.open(name, flags, mode, folder=parent)
                except OSError as error:
                    if error.errno != errno.ELOOP:
                        raise
                path = self.read_link(name, folder=parent)
        raise system_error(errno.ELOOP, path)

    def status(self, path: str, *, folder: int | None = None, follow: bool = True) -> Status:
        """See `Calls`."""
        request = wire.request(Call.STATUS, path, flags=int(follow), folders=_given(folder))
        return wire.status(self._made(path, request, folder)[0])

    def make_folder(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        self._made(name, wire.request(Call.MAKE_FOLDER, name, mode=PERMISSIONS, folders=1), folder)

    def remove_file(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        self._made(name, wire.request(Call.REMOVE_FILE, name, folders=1), folder)

    def remove_folder(self, name: str, *, folder: int) -> None:
        """See `Calls`."""
        self._made(name, wire.request(Call.REMOVE_FOLDER, name, folders=1), folder)

    def rename(self, name: str, new_name: str, *, folder: int, new_folder: int) -> None:
        """See `Calls`."""
        self._made(name, wire.request(Call.RENAME, name, new_name, folders=3), folder, new_folder)

    def make_link(self, target: str, name: str, *, folder: int) -> None:
        """See `Calls`."""
        self._made(name, wire.request(Call.MAKE_LINK, name, target, folders=1), folder)

    def read_link(self, path: str, *, folder: int | None = None) -> str:
        """See `Calls`."""
        request = wire.request(Call.READ_LINK, path, folders=_given(folder))
        return os.fsdecode(self._made(path, request, folder)[0])

    def real_path(self, path: str) -> str:
        """See `Calls`."""
        return os.fsdecode(self._made(path, wire.request(Call.REAL_PATH, path))[0])

    def _made(self, path: str, request: bytes, *folders: int | None) -> tuple[bytes, int]:
        """Have a call made; give what it gave, and the descriptor that it opened or -1."""
        number, body, opened = self._helper.ask(request, tuple(fd for fd in folders if fd is not None))
        if number:
            raise system_error(number, path)
        return body, opened


def _given(folder: int | None) -> int:
    return 0 if folder is None else 1
