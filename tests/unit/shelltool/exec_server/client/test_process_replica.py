"""A client's view of a process: in order whatever the order, complete whatever was missed, or said to be not."""

from hypothesis import given
from hypothesis import strategies as st

from shelltool.exec_server.client import replica as replica_module
from shelltool.exec_server.client.replica import EARLY_EVENTS_MAX, ProcessReplica
from shelltool.exec_server.processes.events import Numbered, OutputDropped, ProcessFailed
from shelltool.exec_server.processes.messages import ProcessClosed, ProcessExited, ProcessOutput
from shelltool.exec_server.processes.record import ProcessRecord


def life(outputs, late=0, limit=1 << 20):
    """Give the events of a process and its record."""
    record = ProcessRecord(retained_limit=limit)
    for number in range(outputs):
        record.add_output("stdout", b"%d" % number)
    exited = record.set_exited(5, None, confined=False)
    for number in range(late):
        record.add_output("stderr", b"late %d" % number)
    record.set_closed()
    events: list[Numbered] = [
        ProcessOutput(process_id="p", seq=chunk.seq, stream=chunk.stream, chunk=chunk.chunk)
        for chunk in record.chunks
    ]
    events.append(ProcessExited(process_id="p", seq=exited, exit_code=5))
    events.append(ProcessClosed(process_id="p", seq=record.last_seq))
    return sorted(events, key=lambda event: event.seq), record


def taken(replica):
    return list(iter(replica.take, None))


@given(st.integers(0, 20), st.integers(0, 3), st.randoms())
def test_events_come_out_in_order_however_they_come_in(outputs, late, chance):
    events, _ = life(outputs, late)
    mixed = events + chance.sample(events, len(events) // 2)
    chance.shuffle(mixed)
    replica = ProcessReplica("p")
    for event in mixed:
        replica.accept(event)
    assert taken(replica) == events
    assert replica.is_over


@given(st.integers(0, 20), st.integers(0, 3), st.integers(0, 24))
def test_what_was_missed_is_read(outputs, late, heard):
    events, record = life(outputs, late)
    replica = ProcessReplica("p")
    for event in events[:heard]:
        replica.accept(event)
    result = record.read(replica.last_seq, None)
    replica.catch_up(result)
    replica.settle(record.read(replica.last_seq, None))
    assert taken(replica) == events


def test_output_that_is_gone_is_said_to_be():
    _, record = life(20, limit=10)
    replica = ProcessReplica("p")
    replica.catch_up(record.read(0, None))
    replica.settle(record.read(replica.last_seq, None))
    first, *rest = taken(replica)
    assert first == OutputDropped(process_id="p", first_seq=1, last_seq=15)
    assert [event.seq for event in rest] == list(range(16, 23))


def test_an_event_that_never_comes_fails_the_process():
    replica = ProcessReplica("p")
    for seq in range(2, EARLY_EVENTS_MAX + 3):
        replica.accept(ProcessOutput(process_id="p", seq=seq, stream="pty", chunk=b""))
    assert taken(replica) == [ProcessFailed(process_id="p", message="event 1 of the process has not come")]


def test_a_caller_that_does_not_read_loses_the_oldest_output(monkeypatch):
    monkeypatch.setattr(replica_module, "UNREAD_BYTES_MAX", 10)
    events, _ = life(12)
    replica = ProcessReplica("p")
    for event in events:
        replica.accept(event)
    first, *rest = taken(replica)
    assert first == OutputDropped(process_id="p", first_seq=1, last_seq=4)
    assert rest == events[4:]


def test_the_end_is_told_whatever_output_comes_behind_it(monkeypatch):
    monkeypatch.setattr(replica_module, "UNREAD_BYTES_MAX", 12)
    events, _ = life(3, late=4)
    replica = ProcessReplica("p")
    for event in events:
        replica.accept(event)
    before, exited, between, *rest = taken(replica)
    assert before == OutputDropped(process_id="p", first_seq=1, last_seq=3)
    assert exited == events[3]
    assert between == OutputDropped(process_id="p", first_seq=5, last_seq=6)
    assert rest == events[6:]


def test_only_the_first_failure_counts():
    replica = ProcessReplica("p")
    replica.fail("one")
    replica.fail("two")
    assert (replica.failure, len(taken(replica))) == ("one", 1)
