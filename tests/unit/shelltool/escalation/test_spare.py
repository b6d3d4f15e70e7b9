"""A keeper in reserve is used once, replaced where it has died, and ends when it is let go of."""

import os
import select
import signal
import time
from pathlib import Path

import pytest

from shelltool.errors import LaunchError
from shelltool.escalation.keeping import KeeperProgram
from shelltool.escalation.native import python_keeper
from shelltool.escalation.spare import SpareKeeper

DEADLINE_S = 10.0


@pytest.fixture
def spare():
    spare = SpareKeeper(python_keeper())
    yield spare
    spare.close()


def children():
    pid = os.getpid()
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()))


def wait_until_dead(keeper):
    deadline = time.monotonic() + DEADLINE_S
    while keeper.receive() is not None:
        assert time.monotonic() < deadline
        select.select([keeper.socket], [], [], DEADLINE_S)


def test_without_one_in_reserve_a_new_one_is_started(spare):
    keeper = spare.take()
    assert keeper.receive() is not None
    keeper.finish()


def test_the_one_in_reserve_is_given_once(spare):
    before = children()
    spare.refill()
    spare.refill()
    [reserved] = children() - before
    first, second = spare.take(), spare.take()
    assert (first._guard_pid == reserved, second._guard_pid == reserved) == (True, False)
    for keeper in (first, second):
        keeper.finish()
    assert children() == before


def test_one_that_was_killed_is_not_given(spare):
    before = children()
    spare.refill()
    [reserved] = children() - before
    os.killpg(reserved, signal.SIGKILL)
    wait_until_dead(spare._keeper)
    keeper = spare.take()
    assert keeper._guard_pid != reserved
    keeper.finish()
    assert children() == before


def test_letting_go_ends_it(spare):
    before = children()
    spare.refill()
    spare.close()
    assert children() == before


def test_a_keeper_that_does_not_start_is_for_the_next_call_to_tell(tmp_path):
    spare = SpareKeeper(KeeperProgram(tmp_path / "missing"))
    spare.refill()
    with pytest.raises(LaunchError, match="missing"):
        spare.take()
