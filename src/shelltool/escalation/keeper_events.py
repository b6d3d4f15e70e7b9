"""What a keeper tells, and the reader that cuts it out of its stream. Sans I/O; the layout is in `keeper_wire.py`."""

import os
import sys
from dataclasses import dataclass
from enum import IntEnum

from shelltool.errors import ProtocolError
from shelltool.escalation import keeper_wire
from shelltool.escalation.keeper_wire import HEADER

OUTPUT_BYTES_MAX = 1 << 20
"""More than a keeper puts into one event."""


class EventKind(IntEnum):
    """What a keeper tells."""

    EXITED = keeper_wire.EXITED
    STOPPED = keeper_wire.STOPPED
    OUTPUT = keeper_wire.OUTPUT
    DONE = keeper_wire.DONE
    READY = keeper_wire.READY


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a keeper tells; what `value` is depends on the kind."""

    kind: EventKind
    id: int
    value: int
    data: bytes

    @property
    def exit_code(self) -> int:
        """The status as a shell gives it: 128+n after signal n."""
        return 128 + os.WTERMSIG(self.value) if os.WIFSIGNALED(self.value) else os.WEXITSTATUS(self.value)

    @property
    def error(self) -> int | None:
        """The errno that starting it failed with."""
        return int.from_bytes(self.data[:4], sys.byteorder) if self.data else None


class EventReader:
    """Cuts what a keeper sends into events. Sans I/O."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Event]:
        """Take what has arrived and give the events that it completes."""
        self._buffer += data
        events = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            kind, identifier, value, size = HEADER.unpack_from(self._buffer, start)
            if size > OUTPUT_BYTES_MAX:
                raise ProtocolError(f"a keeper announced {size} bytes at once")
            end = start + HEADER.size + size
            if end > len(self._buffer):
                break
            body = bytes(self._buffer[start + HEADER.size : end])
            events.append(Event(EventKind(kind), identifier, value, body))
            start = end
        del self._buffer[:start]
        return events
