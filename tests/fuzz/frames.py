"""A frame reader as plain as can be, to compare the real one with; shared by hypothesis and atheris."""

from collections.abc import Sequence

from shelltool.errors import FrameTooLargeError
from shelltool.escalation.frames import FrameReader

LENGTH_BYTES = 4


def expected_frames(stream: bytes, limit: int) -> tuple[list[bytes], int | None]:
    """Cut a whole stream; give the frames before the end or before a length over the limit, and that length."""
    frames: list[bytes] = []
    while len(stream) >= LENGTH_BYTES:
        length = int.from_bytes(stream[:LENGTH_BYTES], "little")
        if length > limit:
            return frames, length
        if len(stream) < LENGTH_BYTES + length:
            break
        frames.append(stream[LENGTH_BYTES : LENGTH_BYTES + length])
        stream = stream[LENGTH_BYTES + length :]
    return frames, None


def cut_up(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a stream at these places."""
    ends = sorted({min(place, len(stream)) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def feed(reader: FrameReader, pieces: Sequence[bytes]) -> tuple[list[bytes], FrameTooLargeError | None, int]:
    """Give a reader a stream piece by piece; give its frames, its error, and the most that it held."""
    frames: list[bytes] = []
    held = 0
    for piece in pieces:
        try:
            frames += reader.feed(piece)
        except FrameTooLargeError as error:
            return frames, error, held
        held = max(held, reader.buffered_bytes)
    return frames, None, held
