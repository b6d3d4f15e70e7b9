"""The record of a process: numbers without gaps, bounded output, and what a reader is given."""

from hypothesis import given
from hypothesis import strategies as st

from shelltool.exec_server.processes.events import OutputDropped
from shelltool.exec_server.processes.messages import ProcessClosed, ProcessExited, ProcessOutput
from shelltool.exec_server.processes.record import CHUNKS_RETAINED, ProcessRecord


def record_of(*sizes, limit=100):
    record = ProcessRecord(retained_limit=limit)
    for size in sizes:
        record.add_output("stdout", bytes(size))
    return record


def test_output_beyond_the_limit_is_dropped_whole_and_counted():
    record = record_of(60, 30, 20)
    assert [chunk.seq for chunk in record.chunks] == [2, 3]
    assert (record.retained_bytes, record.dropped_bytes, record.last_seq) == (50, 60, 3)


def test_many_small_chunks_are_dropped_too():
    record = record_of(*[1] * (CHUNKS_RETAINED + 5), limit=1 << 20)
    assert (len(record.chunks), record.dropped_bytes) == (CHUNKS_RETAINED, 5)


def test_a_bounded_read_gives_at_least_one_chunk_and_the_number_after_it():
    record = record_of(10, 10, 10)
    for limit, count in ((0, 1), (9, 1), (10, 1), (19, 1), (20, 2), (1000, 3)):
        result = record.read(0, limit)
        assert (len(result.chunks), result.next_seq) == (count, count + 1)
    record.set_exited(0, None, confined=False)
    record.set_closed()
    assert record.read(0, None).next_seq == 6
    assert record.read(3, 10).next_seq == 6
    assert record.read(99, None).chunks == []


def test_a_reader_has_news_of_output_of_the_end_and_of_the_close():
    record = record_of(1)
    assert (record.has_news(0), record.has_news(1)) == (True, False)
    record.set_exited(3, None, confined=False)
    assert (record.has_news(1), record.has_news(2)) == (True, False)
    record.set_closed()
    assert record.has_news(10**6)


def test_a_denial_is_seen_in_the_output_of_what_is_confined():
    for confined, code, text, denied in (
        (True, 1, b"touch: Permission denied", True),
        (True, 1, b"Read-only FILE system", True),
        (True, 0, b"permission denied", False),
        (True, 1, b"all well", False),
        (False, 1, b"permission denied", False),
    ):
        record = ProcessRecord(retained_limit=100)
        record.add_output("stderr", text[:7])
        record.add_output("stderr", text[7:])
        record.set_exited(code, None, confined=confined)
        assert record.sandbox_denied is denied


@given(st.lists(st.integers(1, 60)), st.integers(0, 40), st.integers(0, 3))
def test_events_are_contiguous_from_any_number_on(sizes, after, ends):
    record = record_of(*sizes)
    if ends > 0:
        record.set_exited(0, None, confined=False)
        for _ in range(ends - 1):
            record.add_output("stderr", b"late")
        record.set_closed()
    expected = after + 1
    for event in record.events("p", after):
        if isinstance(event, OutputDropped):
            assert event.first_seq == expected
            expected = event.last_seq + 1
        else:
            assert isinstance(event, ProcessOutput | ProcessExited | ProcessClosed)
            assert event.seq == expected
            expected += 1
    assert expected == max(record.last_seq, after) + 1
