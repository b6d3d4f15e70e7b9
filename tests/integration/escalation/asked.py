"""A wrapper that was started by a test, and the server that the test plays: the wire as a peer sees it."""

import array
import json
import os
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integration.escalation.world import NO_STARTUP_FILES

DEADLINE_S = 20.0
SOCKET = "CODEX_ESCALATE_SOCKET"
RIGHTS = socket.CMSG_SPACE(253 * 4)


class Asked:
    """A wrapper that was started, and the server's end of its conversation."""

    def __init__(
        self,
        wrapper: Path,
        path: str | bytes,
        argv: Sequence[str | bytes],
        *,
        env: Mapping[str | bytes, str | bytes] | None = None,
        **options: Any,
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.number = theirs.fileno()
        fds = (self.number, *options.pop("pass_fds", ()))
        through = options.pop("through", None)
        command: list[str | bytes | Path] = [wrapper, path, *argv]
        if through:  # so that a shell is the parent
            flags = NO_STARTUP_FILES[through.name]
            command = [through, *flags, "-c", '"$@"; exit $?', through.name, *command]
        environment = {SOCKET: str(self.number), "PATH": "/usr/bin:/bin", **(env or {})}
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            command,
            env={os.fsencode(name): value for name, value in environment.items()},
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=subprocess.PIPE,
            pass_fds=fds,
            **options,
        )
        theirs.close()
        ours.settimeout(DEADLINE_S)
        self.session = ours
        self.fds: list[int] = []
        self._buffer = b""

    def accept(self) -> "Asked":
        greeting, fds, _, _ = socket.recv_fds(self.session, 16, 16)
        assert (greeting, len(fds)) == (b"\0", 1)
        self.stream = socket.socket(fileno=fds[0])
        self.stream.settimeout(DEADLINE_S)
        return self

    def receive(self) -> Any:
        """Give the next message; descriptors are added to `fds`."""
        while len(self._buffer) < 4 or len(self._buffer) < 4 + self._length():
            data, items, flags, _ = self.stream.recvmsg(1 << 16, RIGHTS)
            assert data, "the wrapper ended the conversation"
            assert not flags & socket.MSG_CTRUNC
            for _, _, content in items:
                self.fds += array.array("i", content)
            self._buffer += data
        end = 4 + self._length()
        frame, self._buffer = self._buffer[4:end], self._buffer[end:]
        return json.loads(frame)

    def _length(self) -> int:
        return int(struct.unpack("<I", self._buffer[:4])[0])

    def send(self, message: object) -> "Asked":
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.stream.sendall(struct.pack("<I", len(payload)) + payload)
        return self

    def answer(self, message: object) -> "Asked":
        """Take the request and answer it."""
        self.accept()
        self.request = self.receive()
        return self.send(message)

    def end(self) -> tuple[int, bytes, bytes]:
        """Wait for the wrapper, or what it has become."""
        self.close_received()
        try:
            stdout, stderr = self.process.communicate(timeout=DEADLINE_S)
        finally:
            self.close()
        return self.process.returncode, stdout, stderr

    def close_received(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.close_received()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        for sock in (self.session, getattr(self, "stream", None)):
            if sock is not None:
                sock.close()


def refused(wrapper: Path, env: Mapping[str, str], **options: Any) -> bytes:
    """Run a wrapper that has nobody to ask; give the one line that it prints."""
    command: list[str | Path] = [wrapper, "/bin/echo", "echo", "ran"]
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        command, env=env, capture_output=True, timeout=DEADLINE_S, check=False, **options
    )
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (126, b"", 1)
    assert done.stderr.startswith(b"codex-execve-wrapper: /bin/echo: not run: ")
    return done.stderr
