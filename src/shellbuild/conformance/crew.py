"""Several slots at work: scripts wait in line, longest first, for the next free slot.

Leaving the crew, also by Ctrl-C or an error, ends every script that still runs before it returns.
"""

import queue
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from shellbuild.conformance.model import Outcome, ShellSet, Suite, Way
from shellbuild.conformance.slot import Slot

Tries = list[tuple[Way, Outcome]]


class Crew:
    """A fixed number of slots and a thread for each."""

    def __init__(self, suite: Suite, shells: ShellSet, *, programs: Path, folder: Path, size: int) -> None:
        self._slots: list[Slot] = []
        self._idle: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(size)
        try:
            for number in range(size):
                # Names of one length, so that no output is laid out differently.
                slot = Slot.open(suite, shells, programs, folder / f"slot{number:02}")
                self._slots.append(slot)
                self._idle.put(slot)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the crew itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def submit(self, script: str, ways: Sequence[Way]) -> Future[Tries]:
        """Run one script these ways, one after the other, in the next free slot."""
        return self._threads.submit(self._run, script, tuple(ways))

    def close(self) -> None:
        """End what runs, drop what waits, end the keepers and the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for slot in self._slots:
            slot.close()
        self._threads.shutdown(wait=True)

    def _run(self, script: str, ways: Sequence[Way]) -> Tries:
        slot = self._idle.get()
        try:
            return [(way, slot.run(script, way)) for way in ways]
        finally:
            self._idle.put(slot)
