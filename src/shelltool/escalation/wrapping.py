"""Ask the escalation server before an exec, then do what it says: the twin of `native/execve_wrapper.c`.

Both behave alike and pass the same tests; the messages are in `docs/escalation-protocol.md`. Imports only modules that
are compiled into Python or are one file of C: `socket`, `json`, `signal` and `os` would double the time that this takes.
"""

import _socket
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # without an import of `typing`, which takes longer than all the rest
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

NAME = "codex-execve-wrapper"
SOCKET_VARIABLE = b"CODEX_ESCALATE_SOCKET"
OURS = frozenset({SOCKET_VARIABLE, b"EXEC_WRAPPER", b"BASH_EXEC_WRAPPER"})
REQUEST_LIMIT = 16777216
ANSWER_LIMIT = 65536
NOT_RUN = 126
DENIED = 1
PROTOCOL_VERSION = 2
LENGTH_BYTES = 4
NUMBER_DIGITS = 9
NESTING_LIMIT = 64
NUMBER_LIMIT = 2**31
RUN = b'{"action":"Run"}'
"""As most servers write the answer that most execs get."""
NO_SENSE = "the escalation server's answer makes no sense"
NUMBERS = ("protocol", "exit_code", "errno", "stopped")


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


class Object(dict[str, object]):
    """A JSON object that knows which keys came twice: one could mean Run, the other Deny."""

    repeated: "set[str] | frozenset[str]" = frozenset()


def _object(pairs: list[tuple[str, object]]) -> Object:
    made = Object(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        repeated: set[str] = set()
        for key, _ in pairs:
            (repeated if key in seen else seen).add(key)
        made.repeated = repeated
    return made


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


class Scanner:
    """What the JSON scanner of C wants to know."""

    strict = True
    object_hook = None
    object_pairs_hook = staticmethod(_object)
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_constant)


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

    def receive(self) -> Object:
        """Read one frame."""
        while True:
            length = int.from_bytes(self._received[:LENGTH_BYTES], "little")
            if length > ANSWER_LIMIT:
                raise Refusal(f"the escalation server's answer is over the limit of {ANSWER_LIMIT} bytes")
            stop = LENGTH_BYTES + length
            if LENGTH_BYTES <= len(self._received) >= stop:
                frame, self._received = self._received[LENGTH_BYTES:stop], self._received[stop:]
                return read_answer(frame)
            self._received += self._read()

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

    def _read(self) -> bytes:
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
        payload = _request(self.path, self.argv, _workdir(), self.entries)
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


def read_environment() -> list[bytes]:
    """Give the variables as they were handed over: Python may have added LC_CTYPE to its own."""
    try:
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return [name + b"=" + value for name, value in posix.environ.items()]
    content = b""
    while data := posix.read(fd, 1 << 16):
        content += data
    posix.close(fd)
    return content.split(b"\0")[:-1]


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


def _request(path: bytes, argv: list[bytes], workdir: bytes, entries: list[bytes]) -> bytes:
    parts = [
        *_with_bytes("file", _quoted(path), [path], many=False),
        *_with_bytes("argv", f"[{','.join(map(_quoted, argv))}]", argv, many=True),
        *_with_bytes("workdir", _quoted(workdir), [workdir], many=False),
    ]
    variables = [entry for entry in entries if b"=" in entry[1:] and entry.split(b"=", 1)[0] not in OURS]
    text = ",".join(_variable(entry) for entry in variables)
    lossy = any(b"=" not in entry[1:] for entry in entries)
    parts += _with_bytes("env", f"{{{text}}}", entries if lossy else variables, many=True, lossy=lossy)
    return f"{{{','.join(parts)}}}".encode()


def _variable(entry: bytes) -> str:
    equals = entry.index(b"=", 1)
    return f"{_quoted(entry[:equals])}:{_quoted(entry[equals + 1 :])}"


def _with_bytes(key: str, text: str, exact: list[bytes], *, many: bool, lossy: bool = False) -> list[str]:
    """Put the exact bytes beside a text that can't hold them."""
    if not lossy and all(map(_is_utf8, exact)):
        return [f'"{key}":{text}']
    encoded = ",".join(f'"{_base64(item)}"' for item in exact)
    return [f'"{key}":{text}', f'"{key}_bytes":{f"[{encoded}]" if many else encoded}']


def _base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted(data: bytes) -> str:
    return f'"{data.decode(errors="replace").translate(_ESCAPES)}"'


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _exact(argument: str) -> bytes:
    return argument.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _workdir() -> bytes:
    try:
        return posix.getcwdb()
    except OSError:
        try:  # it was removed: the link says so in words
            return posix.readlink(b"/proc/self/cwd")
        except OSError:
            return b""


def read_answer(frame: bytes) -> Object:
    """Read what the server says; what is known of it has the right type and came once."""
    if frame == RUN:
        return Object(action="Run")
    import _json  # whose loading takes a twentieth of the time that a command waits

    try:
        text = frame.decode().strip(" \t\n\r")
        _check_nesting(text)
        value, stop = _json.make_scanner(Scanner)(text, 0)  # type: ignore[arg-type]
    except (ValueError, StopIteration) as error:
        raise Refusal(NO_SENSE) from error
    if not isinstance(value, Object) or stop != len(text) or not _is_answer(value):
        raise Refusal(NO_SENSE)
    return value


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= NESTING_LIMIT:
        return
    depth, quoted, escaped = 0, False, False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
            continue
        quoted = char == '"'
        depth += (char in "[{") - (char in "]}")
        if depth > NESTING_LIMIT:
            raise ValueError("nested too deeply")


def _is_answer(value: Object) -> bool:
    if value.repeated & {"action", *NUMBERS}:
        return False
    if "action" in value and not _is_action(value["action"]):
        return False
    return all(_is_number(value[key], key) for key in NUMBERS if key in value)


def _is_action(action: object) -> bool:
    if not isinstance(action, Object):
        return action == "Run" or action == "Escalate"  # noqa: PLR1714 - a list can't be in a set
    denial = action.get("Deny")
    if set(action) != {"Deny"} or action.repeated or not isinstance(denial, Object):
        return False
    return "reason" not in denial.repeated and isinstance(denial.get("reason", ""), str | None)


def _is_number(value: object, key: str) -> bool:
    lowest = {"errno": 0, "stopped": 1}.get(key, 1 - NUMBER_LIMIT)
    return type(value) is int and lowest <= value < NUMBER_LIMIT


def _action_of(answer: Object) -> object:
    if "action" not in answer:
        raise Refusal(NO_SENSE)
    return answer["action"]


def _knows_additions(answer: Object) -> bool:
    version = answer.get("protocol", 0)
    return isinstance(version, int) and version >= PROTOCOL_VERSION


def denial_line(action: object) -> bytes:
    """Say that the command is denied, and why. What UTF-8 has not becomes U+FFFD, a NUL a question mark."""
    reason = action["Deny"].get("reason") if isinstance(action, dict) else None
    if reason is None:
        return b"Execution denied\n"
    whole = "".join("\ufffd" if "\ud800" <= c < "\ue000" else c for c in reason.replace("\0", "?"))
    return f"Execution denied: {whole}\n".encode()


_ESCAPES = {number: f"\\u{number:04x}" for number in range(0x20)} | {ord('"'): '\\"', ord("\\"): "\\\\"}
_NO_SIGNAL = getattr(_socket, "MSG_NOSIGNAL", 0)
