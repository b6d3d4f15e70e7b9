"""One wrapper's stream: bounded reads of frames and descriptors, and where in the protocol it is.

Everything that arrives here was sent by whoever runs in the sandbox. No call on the stream waits, whatever flags the
other side sets on it.
"""

import array
import contextlib
import os
import socket
import stat
import struct
import sys
from enum import Enum, auto

from shelltool.errors import ProtocolError
from shelltool.escalation.escalating import Preparation
from shelltool.escalation.frames import REQUEST_FRAME_BYTES, FrameReader
from shelltool.escalation.judging import Question
from shelltool.escalation.messages import DESCRIPTORS_MAX, DescriptorsMessage
from shelltool.escalation.spawning import Inherited

READ_BYTES = 32 << 10
FOLLOWUP_FRAME_BYTES = 64 << 10
INCOMPLETE_S = 10.0
"""A wrapper sends at once; one that has not by then is hung, or up to something."""

_INT_BYTES = struct.calcsize("i")
_RIGHTS_SPACE = socket.CMSG_SPACE(253 * _INT_BYTES)
_ONE_RIGHT_SPACE = socket.CMSG_LEN(_INT_BYTES)
# As plain numbers: an exec waits for what is done with them, and enumerations take their time.
_NEVER_WAIT = int(socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0))
_SEND_NOW = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_CUT_OFF = int(socket.MSG_CTRUNC)
_SOL_SOCKET, _SCM_RIGHTS = int(socket.SOL_SOCKET), int(socket.SCM_RIGHTS)
_SO_TYPE, _SO_DOMAIN = int(socket.SO_TYPE), getattr(socket, "SO_DOMAIN", None)
_UNIX, _STREAM = int(socket.AF_UNIX), int(socket.SOCK_STREAM)


class State(Enum):
    """What is waited for."""

    ASKING = auto()
    """the request"""
    JUDGING = auto()
    """the decision"""
    HANDING_OVER = auto()
    """the descriptors"""
    RUNNING = auto()
    """the end of the escalated command"""


class Conversation:
    """One exec being asked about."""

    __slots__ = (
        "_reader", "_unclaimed", "deadline", "fd", "handed", "inherited", "number", "preparation", "question", "state", "stream",
    )  # fmt: skip

    def __init__(self, number: int, stream: socket.SocketType, now: float) -> None:
        self.number = number
        self.stream = stream
        self.fd = stream.fileno()
        self.state = State.ASKING
        self.deadline: float | None = now + INCOMPLETE_S
        self.question: Question | None = None
        self.preparation: Preparation | None = None
        self.handed: dict[int, int] = {}
        self.inherited: Inherited | None = None
        self._reader = FrameReader(REQUEST_FRAME_BYTES)
        self._unclaimed: list[int] = []

    @property
    def buffered_bytes(self) -> int:
        return self._reader.buffered_bytes

    @property
    def descriptor_count(self) -> int:
        return len(self._unclaimed) + len(self.handed)

    @property
    def holds_something(self) -> bool:
        """Whether it takes memory or descriptors, which are limited over all of a call."""
        return self.buffered_bytes > 0 or self.descriptor_count > 0

    def receive(self) -> list[bytes] | None:
        """Give the frames that have come, None at the end of the stream."""
        if self.state is State.ASKING or self.state is State.JUDGING:
            data = _receive(self.stream)  # the kernel closes descriptors that come with it
        else:
            data = self._receive_with_descriptors()
        if data is None:
            return []
        return self._reader.feed(data) if data else None

    def _receive_with_descriptors(self) -> bytes | None:
        data, fds, truncated = receive_with_descriptors(self.stream, READ_BYTES)
        self._unclaimed += fds
        if truncated or self.descriptor_count > DESCRIPTORS_MAX:
            raise ProtocolError(f"the wrapper sent more than {DESCRIPTORS_MAX} descriptors")
        if fds and self.state is not State.HANDING_OVER:
            raise ProtocolError("the wrapper sent descriptors that nobody asked for")
        return data

    def send(self, message: bytes) -> None:
        """Send a short message; to a wrapper that does not read, it is lost."""
        try:
            self.stream.send(message, _SEND_NOW)
        except OSError:
            return

    def hand_over(self, now: float) -> None:
        """Wait for descriptors from here on."""
        self.state = State.HANDING_OVER
        self.deadline = now + INCOMPLETE_S
        self._reader = FrameReader(FOLLOWUP_FRAME_BYTES)

    def claim(self, message: DescriptorsMessage, inherited: Inherited) -> bool:
        """Match numbers and descriptors; tell whether these were the last."""
        claimed, self._unclaimed = self._unclaimed[: len(message.fds)], self._unclaimed[len(message.fds) :]
        for number, fd in zip(message.fds, claimed, strict=False):
            if number in self.handed:
                os.close(fd)
            self.handed.setdefault(number, fd)
        left_over = bool(self._unclaimed) and not message.more
        if left_over or len(claimed) != len(message.fds) or len(set(message.fds)) != len(message.fds):
            raise ProtocolError("the wrapper's list of descriptors does not fit the descriptors")
        self.inherited = self.inherited or inherited
        return not message.more

    def release_descriptors(self) -> None:
        """Close what the wrapper handed over."""
        fds = [*self.handed.values(), *self._unclaimed]
        self.handed, self._unclaimed = {}, []
        for fd in fds:
            close_received(fd)

    def close(self) -> None:
        """End the conversation; the wrapper sees the end of the stream."""
        if self.handed or self._unclaimed:
            self.release_descriptors()
        self.stream.close()
        if self.question:
            self.question.close()


def receive_with_descriptors(sock: socket.SocketType, size: int) -> tuple[bytes | None, list[int], bool]:
    """Receive without waiting: data (None: nothing there yet), descriptors, and whether some were cut off."""
    try:
        data, items, flags, _ = sock.recvmsg(size, _RIGHTS_SPACE, _NEVER_WAIT)
    except (BlockingIOError, InterruptedError):
        return None, [], False
    except OSError:
        return b"", [], False
    fds = array.array("i")
    for level, kind, content in items:
        if level == _SOL_SOCKET and kind == _SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds), bool(flags & _CUT_OFF)


def accept_stream(session: socket.socket) -> socket.SocketType | None:
    """Take the stream that opens a conversation; anything else that comes is closed."""
    try:
        # There is room for one descriptor. The kernel closes the others.
        _, items, flags, _ = session.recvmsg(16, _ONE_RIGHT_SPACE, _NEVER_WAIT)
    except OSError:
        return None
    if not items or items[0][1] != _SCM_RIGHTS or len(items[0][2]) < _INT_BYTES:
        return None
    fd = int.from_bytes(items[0][2][:_INT_BYTES], sys.byteorder)
    if flags & _CUT_OFF == 0 and len(items[0][2]) == _INT_BYTES and (stream := _unix_stream(fd)):
        return stream
    close_received(fd)
    return None


def _unix_stream(fd: int) -> socket.SocketType | None:
    try:
        stream = socket.SocketType(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
    except OSError:
        return None  # not a socket at all
    if stream.getsockopt(_SOL_SOCKET, _SO_TYPE) == _STREAM and _domain(stream) == _UNIX:
        return stream
    stream.detach()
    return None


def _receive(stream: socket.SocketType) -> bytes | None:
    try:
        return stream.recv(READ_BYTES, _NEVER_WAIT)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""


def _domain(sock: socket.SocketType) -> int:
    if _SO_DOMAIN is not None:
        return sock.getsockopt(_SOL_SOCKET, _SO_DOMAIN)
    return int(socket.AF_UNIX if isinstance(sock.getsockname(), str | bytes) else socket.AF_UNSPEC)


def close_received(fd: int) -> None:
    """Close a descriptor that may be anything. A network socket could make even that wait, so it is told not to."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)
            try:
                if _domain(sock) != _UNIX:
                    sock.setsockopt(_SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            finally:
                sock.detach()
    with contextlib.suppress(OSError):
        os.close(fd)
