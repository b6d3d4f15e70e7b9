"""A process's events as a client puts them back in order, and what it misses. Pure.

Notifications may come in another order than their numbers, before the answer to `process/start`, or not at all where
the connection was lost; then `process/read` tells what happened meanwhile.
"""

from collections import deque

from shelltool.exec_server.processes.events import Numbered, OutputDropped, ProcessEvent, ProcessFailed
from shelltool.exec_server.processes.messages import (
    ProcessClosed,
    ProcessExited,
    ProcessOutput,
    ReadResult,
)

EARLY_EVENTS_MAX = 4096
UNREAD_BYTES_MAX = 64 << 20
"""A caller that does not read its events loses the oldest output beyond this."""


class ProcessReplica:
    """One process, as seen from afar."""

    def __init__(self, process_id: str) -> None:
        self.process_id = process_id
        self.last_seq = 0
        self.is_over = False
        self.failure: str | None = None
        self._early: dict[int, Numbered] = {}
        self._unread: deque[ProcessEvent] = deque()
        self._unread_bytes = 0
        self._has_exited = False

    def accept(self, event: Numbered) -> None:
        """Take a notification, whenever it comes; what was there before is nothing new."""
        if self.is_over or event.seq <= self.last_seq or event.seq in self._early:
            return
        self._early[event.seq] = event
        self._deliver_early()
        if len(self._early) > EARLY_EVENTS_MAX:
            self.fail(f"event {self.last_seq + 1} of the process has not come")

    def catch_up(self, result: ReadResult) -> None:
        """Take what `process/read` says after the last number, where the rest is still to be read."""
        for chunk in result.chunks:
            self.accept(
                ProcessOutput(
                    process_id=self.process_id, seq=chunk.seq, stream=chunk.stream, chunk=chunk.chunk
                )
            )

    def settle(self, result: ReadResult) -> None:
        """Take what it says when there is no more output: the other events, and what is lost."""
        if self.is_over:
            return
        missing = [seq for seq in range(self.last_seq + 1, result.next_seq) if seq not in self._early]
        if result.closed and missing and missing[-1] == result.next_seq - 1:
            self.accept(ProcessClosed(process_id=self.process_id, seq=missing.pop()))
        if result.exited and not self._knows_exit() and missing:
            self.accept(
                ProcessExited(
                    process_id=self.process_id,
                    seq=missing.pop(),
                    exit_code=-1 if result.exit_code is None else result.exit_code,
                    sandbox_denied=result.sandbox_denied,
                    signal=result.signal,
                )
            )
        if missing:
            self._give_up_on(missing)

    def fail(self, message: str) -> None:
        """Take it that nothing more will be known."""
        if not self.is_over:
            self.is_over = True
            self.failure = message
            self._unread.append(ProcessFailed(process_id=self.process_id, message=message))

    def take(self) -> ProcessEvent | None:
        """Give the next event that was not given yet."""
        if not self._unread:
            return None
        event = self._unread.popleft()
        if isinstance(event, ProcessOutput):
            self._unread_bytes -= len(event.chunk)
        return event

    def _deliver_early(self) -> None:
        while (event := self._early.pop(self.last_seq + 1, None)) is not None:
            self._deliver(event)

    def _deliver(self, event: Numbered) -> None:
        self.last_seq = event.seq
        self._has_exited |= isinstance(event, ProcessExited)
        self.is_over |= isinstance(event, ProcessClosed)
        self._unread.append(event)
        if isinstance(event, ProcessOutput):
            self._unread_bytes += len(event.chunk)
            self._drop_unread()

    def _drop_unread(self) -> None:
        """Drop the oldest output; what else there is to tell stays."""
        while self._unread_bytes > UNREAD_BYTES_MAX:
            place, oldest = next(
                (place, event) for place, event in enumerate(self._unread) if isinstance(event, ProcessOutput)
            )
            self._unread_bytes -= len(oldest.chunk)
            before = self._unread[place - 1] if place else None
            first = before.first_seq if isinstance(before, OutputDropped) else oldest.seq
            self._unread[place] = OutputDropped(
                process_id=self.process_id, first_seq=first, last_seq=oldest.seq
            )
            if isinstance(before, OutputDropped):
                del self._unread[place - 1]

    def _knows_exit(self) -> bool:
        return self._has_exited or any(isinstance(event, ProcessExited) for event in self._early.values())

    def _give_up_on(self, missing: list[int]) -> None:
        """Go on behind what is missing, saying so."""
        while missing and not self.is_over:
            first = missing[0]
            last = first
            while missing and missing[0] <= last + 1:
                last = missing.pop(0)
            self._unread.append(OutputDropped(process_id=self.process_id, first_seq=first, last_seq=last))
            self.last_seq = last
            self._deliver_early()
