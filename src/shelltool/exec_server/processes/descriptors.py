"""The descriptors between the server and a process: two pipes and maybe a third, or a pseudo terminal."""

import os
import termios
from dataclasses import dataclass

from shelltool.exec_server.processes.messages import StartProcess, TerminalSize


@dataclass(frozen=True, slots=True)
class Pipes:
    """Both ends."""

    childs: tuple[int, int, int]
    """What becomes 0, 1 and 2; a number may be there more than once."""
    outputs: tuple[int, ...]
    input: int | None

    def close_childs(self) -> None:
        """Close the child's ends, so that the end of its output can be seen."""
        for fd in set(self.childs):
            os.close(fd)


def open_pipes(params: StartProcess) -> Pipes:
    """Open what a process asks for."""
    opened: list[int] = []
    try:
        return _terminal(params.size or TerminalSize(), opened) if params.tty else _pipes(params, opened)
    except OSError:
        for fd in opened:
            os.close(fd)
        raise


def _terminal(size: TerminalSize, opened: list[int]) -> Pipes:
    ours, its = os.openpty()
    opened += [ours, its]
    termios.tcsetwinsize(its, (size.rows, size.columns))
    ours_to_write = os.dup(ours)
    return Pipes((its, its, its), (ours,), ours_to_write)


def _pipes(params: StartProcess, opened: list[int]) -> Pipes:
    if params.pipe_stdin:
        its_in, ours_in = os.pipe()
        opened += [its_in, ours_in]
    else:
        its_in, ours_in = os.open(os.devnull, os.O_RDONLY), None
        opened.append(its_in)
    ends = []
    for _ in range(2):
        ends.append(os.pipe())
        opened += ends[-1]
    (out, its_out), (err, its_err) = ends
    return Pipes((its_in, its_out, its_err), (out, err), ours_in)
