"""A wrapper written from docs/escalation-protocol.md alone, as somebody else's would be: the five messages, no more.

Text that is not UTF-8, more than 16 descriptors, signals and failing execs are beyond it.
"""

import json
import os
import socket
import struct
import sys
from typing import Any, NoReturn

OURS = ("CODEX_ESCALATE_SOCKET", "EXEC_WRAPPER", "BASH_EXEC_WRAPPER")
NOT_RUN = 126
DENIED = 1
FDS_PER_FRAME = 16


def main(path: str, argv: list[str]) -> NoReturn:
    """Ask about an exec and do what the answer says."""
    try:
        stream = open_conversation(int(os.environ["CODEX_ESCALATE_SOCKET"]))
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        request = {"file": path, "argv": argv, "workdir": os.getcwd(), "env": environment}
        stream.sendall(frame(request))
        action = receive(stream)["action"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        sys.stderr.write(f"minimal wrapper: {path}: not run: {error!r}\n")
        raise SystemExit(NOT_RUN) from error
    if action == "Run":
        os.execv(path, argv)
    if action == "Escalate":
        raise SystemExit(escalate(stream))
    reason = action["Deny"].get("reason")
    sys.stderr.write(f"Execution denied: {reason}\n" if reason else "Execution denied\n")
    raise SystemExit(DENIED)


def open_conversation(session: int) -> socket.socket:
    """Open a stream to the server."""
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM, 0, os.dup(session)) as opener, theirs:
        socket.send_fds(opener, [b"\0"], [theirs.fileno()])
    return ours


def escalate(stream: socket.socket) -> int:
    """Hand over what the command would have inherited, and wait for its end."""
    fds = [int(name) for name in os.listdir("/dev/fd") if is_inherited(int(name))][:FDS_PER_FRAME]
    socket.send_fds(stream, [frame({"fds": fds})], fds)
    while "exit_code" not in (report := receive(stream)):
        pass
    return int(report["exit_code"])


def is_inherited(fd: int) -> bool:
    """Tell whether an exec would hand a descriptor on."""
    try:
        return os.get_inheritable(fd) and str(fd) != os.environ["CODEX_ESCALATE_SOCKET"]
    except OSError:
        return False


def frame(message: object) -> bytes:
    """Put the length in front of the JSON."""
    payload = json.dumps(message).encode()
    return struct.pack("<I", len(payload)) + payload


def receive(stream: socket.socket) -> dict[str, Any]:
    """Read one frame."""
    (length,) = struct.unpack("<I", exactly(stream, 4))
    message: dict[str, Any] = json.loads(exactly(stream, length))
    return message


def exactly(stream: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < size:
        part = stream.recv(size - len(data))
        if not part:
            raise EOFError("the escalation server is gone")
        data += part
    return data


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
