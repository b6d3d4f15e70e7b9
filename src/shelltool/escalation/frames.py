"""The framing of the escalation protocol: a little-endian u32 length, then that many bytes.

Sans I/O: bytes in, frames out. Nothing is allocated for a length that was merely announced. See
`docs/escalation-protocol.md`.
"""

import struct

from shelltool.errors import FrameTooLargeError

REQUEST_FRAME_BYTES = 16 << 20
"""More than Linux takes as arguments and environment of one exec (6 MiB)."""

_LENGTH = struct.Struct("<I")


def encode_frame(payload: bytes) -> bytes:
    """Put the length in front."""
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    @property
    def buffered_bytes(self) -> int:
        """Give how much of an incomplete frame is held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has arrived and give the frames that it completes."""
        length = len(data) - _LENGTH.size
        if (
            not self._buffer
            and 0 <= length <= self._limit_bytes
            and length == int.from_bytes(data[: _LENGTH.size], "little")
        ):
            return [data[_LENGTH.size :]]  # most often exactly one frame has come
        self._buffer += data
        frames = []
        start = 0
        while (end := self._end_of_frame(start)) is not None and end <= len(self._buffer):
            frames.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        if start:
            del self._buffer[:start]
        return frames

    def _end_of_frame(self, start: int) -> int | None:
        if len(self._buffer) < start + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, start)
        if length > self._limit_bytes:
            raise FrameTooLargeError(
                f"a frame of {length} bytes was announced; the limit is {self._limit_bytes} bytes"
            )
        return start + _LENGTH.size + int(length)
