"""Ask the escalation server before an exec, then do what it says: the twin of `native/execve_wrapper.c`.

Both behave alike and pass the same tests; the messages are in `docs/escalation-protocol.md`. Imports only modules that
are compiled into Python or are one file of C: `socket`, `json`, `signal` and `os` would double the time that this takes.
"""

import _socket
import posix
import sys

from shelltool.escalation.wrapping_request import SOCKET_VARIABLE, read_environment, request_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # without an import of `typing`, which takes longer than all the rest
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

NAME = "codex-execve-wrapper"
REQUEST_LIMIT = 16777216
ANSWER_LIMIT = 65536
NOT_RUN = 126
DENIED = 1
PROTOCOL_VERSION = 2
LENGTH_BYTES = 4
NUMBER_DIGITS = 9
RUN = b'{"action":"Run"}'
"""As most servers write the answer that most execs get."""
NO_SENSE = "the escalation server's answer makes no sense"


def main(arguments: list[str]) -> "NoReturn":
    """Be the wrapper of one exec."""
    if not arguments:
        say(f"usage: {NAME} PATH ARGV0 [ARGUMENT...]")
        end(NOT_RUN)
    path, *argv = map(_exact, arguments)
    try:
        Wrapper(path, argv, read_environment()).ask()
    except Exception as error:  # noqa: BLE001 - whatever is wrong here, the command must not run, and say so in a line
        say(f"{NAME}: {_text(path)}: not run: {type(error).__name__}: {error}")
        end(NOT_RUN)


class Refusal(Exception):  # noqa: N818 - it is no fault of the program
    """The command is not run: the reason, in one line."""


class Wrapper:
    """One exec."""

    def __init__(self, path: bytes, argv: list[bytes], entries: list[bytes]) -> None:
        self.path = path
        self.argv = argv
        self.entries = entries
        self.env = dict(entry.split(b"=", 1) for entry in entries if b"=" in entry)
        self.session_fd = -1
        self._received = b""

    def ask(self) -> "NoReturn":
        """Ask, and do as told."""
        try:
            self.session_fd = self._session()
            self._send_request()
            answer = self.receive()
            action = _action_of(answer)
            if action == "Run":
                end(self.execute())
            if action == "Escalate":
                from shelltool.escalation.wrapping_wait import wait_for_escalated  # few execs come here

                end(wait_for_escalated(self, extended=_knows_additions(answer)))
            from shelltool.escalation.wrapping_answer import denial_line

            _write_all(denial_line(action))
            end(DENIED)
        except Refusal as refusal:
            say(f"{NAME}: {_text(self.path)}: not run: {refusal}")
            end(NOT_RUN)

    def execute(self) -> int:
        """Become the command; give the status of a failure."""
        # Python ignores these. What they were before can't be found out.
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(number, _signal.SIG_DFL)
        try:
            if self.argv and self.argv[0]:
                posix.execve(self.path, self.argv, self.env)
            from shelltool.escalation.odd_execve import execve

            execve(self.path, self.argv, self.env)
        except OSError as failed:
            error = failed.errno or 0
        from shelltool.escalation.wrapping_failure import explain_failure

        return explain_failure(self, error)

    def receive(self) -> dict[str, object]:
        """Read one frame."""
        while True:
            length = int.from_bytes(self._received[:LENGTH_BYTES], "little")
            if length > ANSWER_LIMIT:
                raise Refusal(f"the escalation server's answer is over the limit of {ANSWER_LIMIT} bytes")
            stop = LENGTH_BYTES + length
            if LENGTH_BYTES <= len(self._received) >= stop:
                frame, self._received = self._received[LENGTH_BYTES:stop], self._received[stop:]
                return _read(frame)
            self._received += self._more()

    def has_input(self) -> bool:
        """Tell, without waiting, whether there is something to receive, or an end to report."""
        if self._received:
            return True
        try:
            self.stream.recv(1, _socket.MSG_DONTWAIT | _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _more(self) -> bytes:
        try:
            data = posix.read(self.stream.fileno(), LENGTH_BYTES + ANSWER_LIMIT)
        except OSError as error:
            raise Refusal(f"the escalation server is gone: {error.strerror}") from error
        if not data:
            raise Refusal("the escalation server is gone")
        return data

    def _session(self) -> int:
        value = self.env.get(SOCKET_VARIABLE)
        if value is None:
            raise Refusal("CODEX_ESCALATE_SOCKET is not set, so there is no escalation server to ask")
        if not value.isdigit() or len(value) > NUMBER_DIGITS:
            raise Refusal(f"CODEX_ESCALATE_SOCKET is not the number of a descriptor: {_text(value)}")
        return int(value)

    def _send_request(self) -> None:
        payload = request_of(self.path, self.argv, self.entries)
        if len(payload) > REQUEST_LIMIT:
            raise Refusal(f"its arguments and environment are over the limit of {REQUEST_LIMIT} bytes")
        frame = len(payload).to_bytes(4, "little") + payload
        self.stream, other_end = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM, 0)
        # What fits is there before the server wakes up, which saves it from waiting a second time.
        early = self.stream.sendmsg([frame], [], _socket.MSG_DONTWAIT | _NO_SIGNAL)
        self._introduce(other_end)
        other_end.close()
        self.send_all(frame[early:], [])

    def _introduce(self, other_end: _socket.socket) -> None:
        try:
            session = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM, 0, self.session_fd)
            rights = other_end.fileno().to_bytes(4, sys.byteorder)
            session.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)], _NO_SIGNAL)
            session.detach()
        except OSError as error:
            message = f"the escalation server can't be reached at CODEX_ESCALATE_SOCKET: {error.strerror}"
            raise Refusal(message) from error

    def send_all(self, data: bytes, fds: list[int]) -> None:
        """Send, with descriptors on the first byte."""
        packed = b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds)
        rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)] if fds else []
        while data:
            try:
                sent = self.stream.sendmsg([data], rights, _NO_SIGNAL)
            except OSError as error:
                raise Refusal(f"the escalation server is gone: {error.strerror}") from error
            data, rights = data[sent:], []


def end(status: int) -> "NoReturn":
    """End without the time that Python would take to tidy up."""
    posix._exit(status)  # noqa: SLF001 - public under its other name, os._exit


def say(line: str) -> None:
    """Write one line to stderr, whatever the file is called."""
    plain = "".join(c if " " <= c != "\x7f" else "?" for c in line)
    _write_all(plain.encode(errors="surrogateescape") + b"\n")


def _write_all(data: bytes) -> None:
    try:
        while data:
            data = data[posix.write(2, data) :]
    except OSError:
        return


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _exact(argument: str) -> bytes:
    return argument.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _read(frame: bytes) -> dict[str, object]:
    if frame == RUN:
        return {"action": "Run"}
    # Late: it takes a twentieth of the time that a command waits.
    from shelltool.escalation.wrapping_answer import read_answer

    return read_answer(frame)


def _action_of(answer: dict[str, object]) -> object:
    if "action" not in answer:
        raise Refusal(NO_SENSE)
    return answer["action"]


def _knows_additions(answer: dict[str, object]) -> bool:
    version = answer.get("protocol", 0)
    return isinstance(version, int) and version >= PROTOCOL_VERSION


_NO_SIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)
