"""The one way that tests start a process: with a deadline, a limit on what is read, and the whole group ended.

Output comes through pipes that are read to their end, so it, and what processes left behind wrote before they
ended, is complete when `run_bounded` returns.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

OUTPUT_BYTES = 16 << 20

Word = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What a process left: its status is negative where a signal ended it, as in `subprocess`."""

    status: int
    stdout: bytes
    stderr: bytes


def run_bounded(
    argv: Sequence[Word],
    *,
    cwd: Path,
    env: Mapping[bytes, bytes],
    stdin: bytes = b"",
    pass_fds: Sequence[int] = (),
    deadline_s: float,
) -> Result:
    """Run a process and all it starts; an AssertionError tells what it wrote before its deadline passed."""
    with tempfile.TemporaryFile() as source:
        source.write(stdin)
        source.seek(0)
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            start_new_session=True,
        )
    end = time.monotonic() + deadline_s
    try:
        stdout, stderr = _read_both(child, end)
        return Result(child.wait(max(0.1, end - time.monotonic())), stdout, stderr)
    finally:
        _end(child)


def _read_both(child: subprocess.Popen[bytes], end: float) -> tuple[bytes, bytes]:
    assert child.stdout is not None
    assert child.stderr is not None
    texts: dict[IO[bytes], bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream, text in texts.items():
            selector.register(stream, selectors.EVENT_READ, text)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            assert ready, f"still running at its deadline: {child.args!r} wrote {list(texts.values())!r}"
            for key, _ in ready:
                piece = os.read(key.fd, 1 << 16)
                key.data.extend(piece)
                assert len(key.data) <= OUTPUT_BYTES, f"writes without end: {child.args!r}"
                if not piece:
                    selector.unregister(key.fileobj)
    return bytes(texts[child.stdout]), bytes(texts[child.stderr])


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()
