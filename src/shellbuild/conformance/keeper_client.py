"""The owner's side of `keeper.py`: start one, have it run a job, be sure that it ends.

An answer that doesn't come in time is an error, never a wait without end.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from shellbuild.conformance import keeper
from shellbuild.conformance.model import Job
from shellbuild.errors import StepError

CLOSE_S = keeper.END_S + 10.0
"""A keeper kills what runs and goes; it needs longer than a moment only when the kernel is stuck."""
ANSWER_GRACE_S = keeper.END_S + 30.0
"""What a busy machine may add to a job's own deadline."""
ANSWER_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one job ended."""

    pid: int
    status: int | None
    seconds: float


class Keeper:
    """One keeper process; runs one job at a time."""

    def __init__(self) -> None:
        self._talking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", keeper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is for the owner alone, which then closes its keepers in order.
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Give the keeper itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def run(self, job: Job, env: Mapping[str, str], output: Path) -> Ended:
        """Run a job with stdout and stderr in `output`; raise StepError when it can't be started or watched."""
        request = {
            "argv": job.argv,
            "cwd": str(job.cwd),
            "env": dict(env),
            "output": str(output),
            "deadline_s": job.deadline_s,
        }
        stdin, stdout = _pipes(self._process)
        try:
            with self._talking:
                os.write(stdin.fileno(), json.dumps(request).encode() + b"\n")
                line = _read_line(stdout, job.deadline_s + ANSWER_GRACE_S)
        except (OSError, ValueError) as error:
            raise StepError(f"{job.argv[0]}: its keeper is gone ({error}); was it killed?") from error
        answer = json.loads(line or b'{"error": "its keeper gave no answer"}')
        if "error" in answer:
            raise StepError(f"{' '.join(job.argv)}: {answer['error']}")
        return Ended(pid=answer["pid"], status=answer["status"], seconds=answer["seconds"])

    def close(self) -> None:
        """End the keeper and everything it keeps; a `run` in another thread then fails at once."""
        stdin, stdout = _pipes(self._process)
        stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Not while another thread still reads: the number of the descriptor could be someone else's by then.
        with self._talking:
            stdout.close()


def _pipes(process: "subprocess.Popen[bytes]") -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise StepError("a keeper was started without pipes")
    return process.stdin, process.stdout


def _read_line(stream: IO[bytes], seconds: float) -> bytes:
    ready, _, _ = select.select([stream], [], [], seconds)
    # One write below PIPE_BUF on their side is one read on ours.
    return os.read(stream.fileno(), ANSWER_BYTES) if ready else b""
