"""The server's side of the wire: whatever a wrapper sends ends in frames or in an error with a name, and takes no memory
beyond what was sent.
"""

import json
import struct
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.frames import cut_up, expected_frames, feed
from shelltool.errors import EscalationError, FrameTooLargeError
from shelltool.escalation.escalating import read_followup
from shelltool.escalation.exec_message import read_request
from shelltool.escalation.frames import REQUEST_FRAME_BYTES, FrameReader, encode_frame
from shelltool.escalation.messages import DescriptorsMessage, SignalMessage

pytestmark = pytest.mark.thorough

LIMIT = 64
OVERHEAD_BYTES = 16 << 10

lengths = st.sampled_from((0, 1, 2, LIMIT - 1, LIMIT, LIMIT + 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
whole = st.binary(max_size=LIMIT).map(encode_frame)
streams = st.lists(
    whole | lengths.map(lambda length: struct.pack("<I", length)) | st.binary(max_size=12), max_size=8
)
cuts = st.lists(st.integers(0, 200), max_size=12)


@settings(max_examples=10_000)
@given(parts=streams, places=cuts)
@example(parts=[encode_frame(b"a"), struct.pack("<I", LIMIT + 1)], places=[2])
@example(parts=[b"\0\0\0\0" * 3], places=[])
def test_any_stream_in_any_pieces_gives_its_frames_and_no_more_is_held_than_was_sent(parts, places):
    stream = b"".join(parts)
    wanted, refused = expected_frames(stream, LIMIT)
    frames, error, held = feed(FrameReader(LIMIT), cut_up(stream, places))
    assert frames == wanted[: len(frames)]
    assert held <= len(stream)
    if refused is None:
        assert (error, len(frames)) == (None, len(wanted))
    else:
        assert str(refused) in str(error)
        assert f"the limit is {LIMIT} bytes" in str(error)


@pytest.mark.parametrize("length", [REQUEST_FRAME_BYTES + 1, 0xFFFFFFFF])
def test_a_frame_over_the_limit_is_refused_by_name_before_any_of_it_is_read(length):
    with pytest.raises(
        FrameTooLargeError, match=f"{length} bytes was announced; the limit is 16777216 bytes"
    ):
        FrameReader(REQUEST_FRAME_BYTES).feed(struct.pack("<I", length))


def test_a_length_that_is_merely_announced_takes_no_memory():
    reader = FrameReader(REQUEST_FRAME_BYTES)
    tracemalloc.start()
    try:
        reader.feed(struct.pack("<I", REQUEST_FRAME_BYTES) + b"{")
        assert tracemalloc.get_traced_memory()[1] < OVERHEAD_BYTES
    finally:
        tracemalloc.stop()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
requests = st.fixed_dictionaries(
    {
        "file": st.text(max_size=8) | json_values,
        "argv": st.lists(st.text(max_size=4), max_size=3) | json_values,
        "workdir": st.just("/") | json_values,
        "env": st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2) | json_values,
    },
    optional={
        key: st.text(max_size=8) | st.lists(st.text(max_size=8), max_size=2) | json_values
        for key in ("file_bytes", "argv_bytes", "workdir_bytes", "env_bytes")
    },
)
followups = st.fixed_dictionaries(
    {},
    optional={
        "fds": st.lists(st.integers(-1, 70_000), max_size=18) | json_values,
        "more": st.booleans() | json_values,
        "umask": st.integers(-1, 600) | json_values,
        "rlimits": st.dictionaries(
            st.sampled_from(("NOFILE", "?")), st.lists(st.integers(-2, 1 << 64), max_size=3)
        ),
        "ignored_signals": st.lists(st.integers(-1, 70), max_size=3) | json_values,
        "signal": st.integers(-1, 70) | json_values,
        "group": st.booleans() | json_values,
    },
)


@settings(max_examples=2_000)
@given(frame=requests.map(lambda request: json.dumps(request).encode()) | st.binary(max_size=60))
def test_any_request_is_read_or_refused_with_an_error_of_ours(frame):
    try:
        message = read_request(frame)
        environment = message.environment()
    except EscalationError:
        return
    assert not any("\0" in text for text in (message.file, message.workdir, *message.argv))
    assert all("=" not in name[1:] for name in environment)


@settings(max_examples=2_000)
@given(frame=followups.map(lambda followup: json.dumps(followup).encode()) | st.binary(max_size=60))
def test_any_followup_is_read_or_refused_with_an_error_of_ours(frame):
    try:
        message = read_followup(frame)
    except EscalationError:
        return
    if isinstance(message, SignalMessage):
        assert 1 <= message.signal <= 64
        return
    descriptors, _ = message
    assert isinstance(descriptors, DescriptorsMessage)
    assert len(descriptors.fds) <= 16
    assert all(0 <= number <= 65_535 for number in descriptors.fds)
