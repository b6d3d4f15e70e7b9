"""A process that runs scripts one after the other and leaves nothing of them behind; needs the stdlib only.

Started as `python -I keeper.py`. Each line on stdin is a JSON request, each line on stdout its answer. As a child
subreaper (prctl(2)) it inherits whatever a script leaves, in whatever session, and ends it. When stdin reaches its
end, which is also how the death of its owner shows, it ends what runs and then itself.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
END_S = 20.0
"""How long killed processes may take to go; only a process stuck in the kernel takes longer than a moment."""
REQUEST_BYTES = 1 << 20

LIMITS = {
    # name: (soft, hard); hard None keeps the machine's.
    resource.RLIMIT_CORE: (0, 0),
    resource.RLIMIT_NOFILE: (1024, 4096),
    resource.RLIMIT_STACK: (8 << 20, None),
    # A script that prints without end is stopped before it fills the disk.
    resource.RLIMIT_FSIZE: (512 << 20, 512 << 20),
}


class OwnerGoneError(Exception):
    """Nobody waits for an answer any more."""


def main() -> None:
    """Serve requests until stdin ends."""
    fix_conditions()
    wake = _wake_on_child()
    try:
        for request in _requests():
            try:
                answer = run(request, wake)
            except OSError as error:
                answer = {"error": str(error)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except OwnerGoneError:
        pass
    finally:
        end_all()


def fix_conditions() -> None:
    """Set what children inherit: umask, limits, signals, and who their orphans belong to."""
    os.umask(0o022)
    for name, (soft, hard) in LIMITS.items():
        _limit(name, soft, hard)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        # A caller under nohup ignores SIGHUP, and a shell could never trap it.
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    # An answer to an owner that is gone must not end us before we have cleaned up; children get the default back.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def run(request: dict[str, Any], wake: int) -> dict[str, Any]:
    """Run one command to its end or its deadline, then end everything that it left."""
    started = time.monotonic()
    with Path(request["output"]).open("wb") as output:
        child = subprocess.Popen(
            request["argv"],
            cwd=request["cwd"],
            env=request["env"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        status = _await(child, started + request["deadline_s"], wake)
    finally:
        end_all()
        # Reaped by its number, not through the object.
        child.returncode = child.returncode or 0
    return {"status": status, "pid": child.pid, "seconds": round(time.monotonic() - started, 3)}


def end_all() -> None:
    """Kill and reap children until there are none; those of a killed child become ours in turn."""
    give_up = time.monotonic() + END_S
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            continue
        if time.monotonic() > give_up:
            sys.exit(f"keeper: processes {', '.join(map(str, _children()))} would not end")
        for child in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.001)


def _await(child: "subprocess.Popen[bytes]", deadline: float, wake: int) -> int | None:
    poller = select.poll()
    poller.register(wake, select.POLLIN)
    poller.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    while True:
        status = _reap(child.pid)
        if status is not None:
            return status
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        for descriptor, _ in poller.poll(left * 1000):
            if descriptor != wake:
                raise OwnerGoneError
            os.read(wake, 4096)


def _reap(wanted: int) -> int | None:
    # Orphans too, at once: a zombie would still look alive to a script that asks with `kill -0`.
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == wanted:
            found = os.waitstatus_to_exitcode(status)


def _children() -> list[int]:
    me = str(os.getpid())
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The command name in parentheses may itself hold spaces and parentheses.
                stat = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if stat[1].decode() == me:
                    found.append(int(entry.name))
    return found


def _requests() -> Iterator[dict[str, Any]]:
    # Unbuffered: what poll(2) sees of stdin must be all there is.
    pending = b""
    while True:
        chunk = os.read(sys.stdin.fileno(), 65536)
        if not chunk or len(pending) > REQUEST_BYTES:
            return
        pending += chunk
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            yield json.loads(line)


def _limit(name: int, soft: int, hard: int | None) -> None:
    most = resource.getrlimit(name)[1]
    unlimited = most == resource.RLIM_INFINITY
    top = most if hard is None else hard if unlimited else min(hard, most)
    resource.setrlimit(name, (soft if top == resource.RLIM_INFINITY else min(soft, top), top))


def _wake_on_child() -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    # Only a signal with a Python handler writes to the descriptor.
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reader


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
