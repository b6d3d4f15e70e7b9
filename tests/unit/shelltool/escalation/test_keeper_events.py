"""What a keeper tells."""

import errno
import signal
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.errors import ProtocolError
from shelltool.escalation.keeper_events import OUTPUT_BYTES_MAX, Event, EventKind, EventReader
from shelltool.escalation.keeper_wire import DONE, EXITED, HEADER, OUTPUT

events = st.lists(
    st.builds(
        lambda kind, number, value, data: HEADER.pack(kind, number, value, len(data)) + data,
        st.sampled_from((EXITED, OUTPUT, DONE)),
        st.integers(0, 9),
        st.integers(0, 300),
        st.binary(max_size=20),
    ),
    max_size=5,
)


@given(sent=events, size=st.integers(1, 30))
def test_events_are_read_however_they_are_cut(sent, size):
    stream = b"".join(sent)
    reader = EventReader()
    read = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
    assert [HEADER.pack(e.kind, e.id, e.value, len(e.data)) + e.data for e in read] == sent


def test_an_event_beyond_all_measure_is_refused():
    with pytest.raises(ProtocolError, match="announced 1048577 bytes"):
        EventReader().feed(HEADER.pack(OUTPUT, 0, 1, OUTPUT_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("status", "code"), [(0, 0), (7 << 8, 7), (signal.SIGTERM, 143), (signal.SIGKILL, 137)]
)
def test_an_exit_is_given_as_a_shell_gives_it(status, code):
    assert Event(EventKind.EXITED, 1, status, b"").exit_code == code


def test_an_exec_that_failed_has_its_errno():
    data = errno.ENOENT.to_bytes(4, sys.byteorder)
    assert Event(EventKind.EXITED, 1, 126 << 8, data).error == errno.ENOENT
    assert Event(EventKind.EXITED, 1, 0, b"").error is None
