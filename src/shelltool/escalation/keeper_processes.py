"""How the Python keeper finds all that descends from it, and signals it: the twin of `native/keeper_processes.h`.

On Linux orphans come back to the keeper, as a subreaper. Elsewhere they don't: there, what has left its process group
and lost its parent is not found. The Python supervisor of the exec server uses this as well.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

from shelltool.escalation.keeper_wire import NOT_RUN

ROUND_S = 0.002
"""Between two looks for processes that are still there."""
KILL_LIMIT_S = 5.0
"""What SIGKILL has not ended by then never ends."""
PS_LIMIT_S = 2.0
STATE_FIELDS = 3

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def become_subreaper() -> None:
    """Inherit what loses its parent."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when the parent is."""
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
