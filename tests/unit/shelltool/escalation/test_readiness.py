"""What is called when something can be read."""

import os
import threading

import pytest

from shelltool.escalation.readiness import Readiness

LIMIT_MS = 10_000


@pytest.fixture
def woken():
    return []


@pytest.fixture
def readiness(woken):
    made = Readiness(lambda: woken.append(True))
    yield made
    made.close()


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def test_a_handler_is_called_while_there_is_something_to_read(readiness, pipe):
    calls = []
    readiness.watch(pipe[0], lambda: calls.append(os.read(pipe[0], 1)))
    os.write(pipe[1], b"ab")
    for _ in range(3):
        readiness.wait(0)
    assert calls == [b"a", b"b"]


def test_what_is_no_longer_watched_is_not_called_even_in_the_same_round(readiness, pipe):
    other = os.dup(pipe[0])
    calls = []

    def only_one_of(mine, theirs):
        calls.append(mine)
        readiness.unwatch(theirs)

    readiness.watch(pipe[0], lambda: only_one_of(pipe[0], other))
    readiness.watch(other, lambda: only_one_of(other, pipe[0]))
    os.write(pipe[1], b"x")
    readiness.wait(0)
    os.close(other)
    assert len(calls) == 1
    assert not readiness.watches(other) or not readiness.watches(pipe[0])


def test_another_thread_wakes_it_and_many_times_are_one(readiness, woken):
    thread = threading.Thread(target=lambda: [readiness.wake() for _ in range(100)])
    thread.start()
    readiness.wait(LIMIT_MS)
    thread.join()
    readiness.wait(0)
    assert 1 <= len(woken) <= 2
    readiness.wait(0)
    assert len(woken) <= 2


def test_waking_what_is_closed_does_nothing(woken):
    closed = Readiness(lambda: woken.append(True))
    closed.close()
    closed.wake()
    assert woken == []
