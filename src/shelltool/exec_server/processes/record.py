"""What is known of one process's life: its output so far as it is retained, its end, and the numbers of its events.

Pure: no descriptors, no clock, no event loop. Every event gets the next number, and none is skipped.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from shelltool.exec_server.processes.events import Numbered, OutputDropped, ProcessEvent
from shelltool.exec_server.processes.messages import (
    Chunk,
    ProcessClosed,
    ProcessExited,
    ProcessOutput,
    ReadResult,
    Stream,
)

CHUNKS_RETAINED = 8192
"""However small they are: each costs more memory than its bytes."""

_EVENTS_THAT_ARE_NO_OUTPUT = 2
_DENIALS = (b"operation not permitted", b"permission denied", b"read-only file system")
_LOOKED_AT_BYTES = 64 << 10


@dataclass(slots=True)
class ProcessRecord:
    """One process."""

    retained_limit: int
    chunks: deque[Chunk] = field(default_factory=deque)
    retained_bytes: int = 0
    dropped_bytes: int = 0
    last_seq: int = 0
    exited_seq: int = 0
    exit_code: int | None = None
    signal: int | None = None
    sandbox_denied: bool = False
    closed: bool = False

    @property
    def exited(self) -> bool:
        """Whether the process itself has ended."""
        return self.exit_code is not None

    def add_output(self, stream: Stream, data: bytes) -> Chunk:
        """Take output. The oldest is dropped where there is too much."""
        self.last_seq += 1
        chunk = Chunk.model_construct(seq=self.last_seq, stream=stream, chunk=data)
        self.chunks.append(chunk)
        self.retained_bytes += len(data)
        while self.retained_bytes > self.retained_limit or len(self.chunks) > CHUNKS_RETAINED:
            size = len(self.chunks.popleft().chunk)
            self.retained_bytes -= size
            self.dropped_bytes += size
        return chunk

    def set_exited(self, exit_code: int, signal: int | None, *, confined: bool) -> int:
        """Take the end of the process; give the event's number."""
        self.exit_code, self.signal = exit_code, signal
        self.sandbox_denied = confined and exit_code != 0 and self._looks_denied()
        self.last_seq = self.exited_seq = self.last_seq + 1
        return self.last_seq

    def set_closed(self) -> int:
        """Take the end of all output; give the event's number."""
        self.closed = True
        self.last_seq += 1
        return self.last_seq

    def has_news(self, after_seq: int) -> bool:
        """Tell whether a reader with this cursor is answered at once."""
        if self.closed or (self.chunks and self.chunks[-1].seq > after_seq):
            return True
        return self.exited and after_seq < self.last_seq

    def read(self, after_seq: int, max_bytes: int | None) -> ReadResult:
        """Give retained output after a number: at least one chunk if there is any, and no more than `max_bytes`."""
        chunks: list[Chunk] = []
        total = 0
        for chunk in self._after(after_seq):
            size = len(chunk.chunk)
            if max_bytes is not None and chunks and total + size > max_bytes:
                break
            chunks.append(chunk)
            total += size
            if max_bytes is not None and total >= max_bytes:
                break
        bounded = max_bytes is not None and chunks
        return ReadResult(
            chunks=chunks,
            next_seq=(chunks[-1].seq if bounded else self.last_seq) + 1,
            exited=self.exited,
            exit_code=self.exit_code,
            closed=self.closed,
            sandbox_denied=self.sandbox_denied,
            dropped_bytes=self.dropped_bytes,
            signal=self.signal,
        )

    def events(self, process_id: str, after_seq: int) -> Iterator[ProcessEvent]:
        """Give every event after a number, and what is missing in between."""
        numbered: list[Numbered] = [
            ProcessOutput.model_construct(
                process_id=process_id, seq=chunk.seq, stream=chunk.stream, chunk=chunk.chunk
            )
            for chunk in self._after(after_seq)
        ]
        if self.exit_code is not None and self.exited_seq > after_seq:
            numbered.append(
                ProcessExited(
                    process_id=process_id,
                    seq=self.exited_seq,
                    exit_code=self.exit_code,
                    sandbox_denied=self.sandbox_denied,
                    signal=self.signal,
                )
            )
        if self.closed and self.last_seq > after_seq:
            numbered.append(ProcessClosed(process_id=process_id, seq=self.last_seq))
        for event in sorted(numbered, key=lambda event: event.seq):
            if event.seq > after_seq + 1:
                yield OutputDropped(process_id=process_id, first_seq=after_seq + 1, last_seq=event.seq - 1)
            after_seq = event.seq
            yield event

    def _after(self, after_seq: int) -> Iterator[Chunk]:
        if not self.chunks:
            return iter(())
        # Numbers between chunks are missing for the other events only, so a chunk's place is nearly known.
        skipped = max(0, after_seq + 1 - self.chunks[0].seq - _EVENTS_THAT_ARE_NO_OUTPUT)
        return (chunk for chunk in islice(self.chunks, skipped, None) if chunk.seq > after_seq)

    def _looks_denied(self) -> bool:
        text = b""
        for chunk in reversed(self.chunks):
            text = chunk.chunk + text
            if len(text) >= _LOOKED_AT_BYTES:
                break
        return any(words in text.lower() for words in _DENIALS)
