"""What a command writes, kept within bounds: the head and the tail of each stream, and of both in order.

Decoding is for display: bytes that are not UTF-8 become U+FFFD. Reading the pipes is `escalation`'s business.
"""

from dataclasses import dataclass

from shelltool.escalation import OutputChunk

STREAM_BYTES = 1 << 20
"""Kept of stdout, of stderr, and of both together."""
_UTF8_CONTINUATIONS = 3


class HeadAndTail:
    """Takes any amount of bytes and keeps the first and the last of them."""

    def __init__(self, limit_bytes: int = STREAM_BYTES) -> None:
        """Keep at most so many bytes."""
        self._head_limit = limit_bytes // 2
        self._tail_limit = limit_bytes - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self.written_bytes = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self.written_bytes += len(data)
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Only now and then: each time costs as much as what is kept.
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    def text(self) -> str:
        """Give what is kept, with a mark where something is left out."""
        tail = bytes(self._tail[-self._tail_limit :])
        left_out = self.written_bytes - len(self._head) - len(tail)
        if not left_out:
            return _decoded(bytes(self._head) + tail)
        head = _without_half_character(bytes(self._head))
        begin = _half_character_at_begin(tail)
        left_out += len(self._head) - len(head) + begin
        return f"{_decoded(head)}\n[... {left_out} bytes left out ...]\n{_decoded(tail[begin:])}"


@dataclass(frozen=True, slots=True)
class Written:
    """What a command wrote, as text."""

    stdout: str
    stderr: str
    output: str


class Collector:
    """Takes a call's output as it comes."""

    def __init__(self, limit_bytes: int = STREAM_BYTES) -> None:
        self._streams = {"stdout": HeadAndTail(limit_bytes), "stderr": HeadAndTail(limit_bytes)}
        self._both = HeadAndTail(limit_bytes)

    def add(self, chunk: OutputChunk) -> None:
        """Take the next chunk."""
        self._streams[chunk.stream].add(chunk.data)
        self._both.add(chunk.data)

    @property
    def written_bytes(self) -> int:
        """Count what was written to both streams."""
        return self._both.written_bytes

    def texts(self) -> Written:
        """Give all three."""
        return Written(
            stdout=self._streams["stdout"].text(),
            stderr=self._streams["stderr"].text(),
            output=self._both.text(),
        )


def _decoded(data: bytes) -> str:
    return data.decode(errors="replace")


def _without_half_character(data: bytes) -> bytes:
    """Take off the begin of a character that the cut went through."""
    for back in range(1, min(_UTF8_CONTINUATIONS, len(data)) + 1):
        if not _continues(data[-back]):
            return data[:-back] if _length_of_character(data[-back]) > back else data
    return data


def _continues(byte: int) -> bool:
    return 0x80 <= byte < 0xC0  # noqa: PLR2004 - as UTF-8 has it


def _length_of_character(first: int) -> int:
    """Tell from its first byte how many bytes a character has."""
    return next((length for length, least in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if first >= least), 1)


def _half_character_at_begin(data: bytes) -> int:
    """Count the bytes at the begin that belong to a character that was cut off."""
    count = 0
    while count < min(_UTF8_CONTINUATIONS, len(data)) and _continues(data[count]):
        count += 1
    return count
