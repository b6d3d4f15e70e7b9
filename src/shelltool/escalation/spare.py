"""A keeper that is started before it is needed, so that a call does not wait for the start of two processes.

It has been told nothing yet, and ends by itself with the process that holds its socket.
"""

import contextlib
import threading

from shelltool.errors import LaunchError
from shelltool.escalation.keeping import Keeper, KeeperProgram


class SpareKeeper:
    """Has at most one keeper in reserve. From any thread."""

    def __init__(self, program: KeeperProgram) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._keeper: Keeper | None = None

    def take(self) -> Keeper:
        """Give the one in reserve, or a new one where there is none that still lives."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            if keeper.receive() is not None:
                return keeper
            keeper.finish()
        return Keeper(self._program)

    def refill(self) -> None:
        """Start one, unless there is one already; where that fails, the next call will say so."""
        with self._lock, contextlib.suppress(LaunchError):
            if self._keeper is None:
                self._keeper = Keeper(self._program)

    def close(self) -> None:
        """End the one in reserve."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.finish()
