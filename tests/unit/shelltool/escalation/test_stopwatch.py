"""A call's deadline: it does not run while a person is being asked, however the pauses nest and overlap."""

import asyncio
from collections.abc import Callable

import pytest

from shelltool.escalation.stopwatch import Stopwatch

BOUND_S = 5.0


class FakeClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.time

    def call_later(self, delay_s: float, wake: Callable[[], None]) -> Callable[[], None]:
        timer = (self.time + delay_s, wake)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        for timer in [timer for timer in self.timers if timer[0] <= self.time]:
            self.timers.remove(timer)
            timer[1]()


@pytest.fixture
def clock():
    return FakeClock()


def test_time_counts_while_nothing_is_paused(clock):
    watch = Stopwatch(10.0, clock=clock)
    clock.pass_time(3)
    assert (watch.elapsed_s, watch.remaining_s) == (3.0, 7.0)


def test_time_does_not_count_in_a_pause(clock):
    watch = Stopwatch(10.0, clock=clock)
    clock.pass_time(1)
    with watch.pause():
        clock.pass_time(1000)
        assert (watch.paused, watch.elapsed_s) == (True, 1.0)
    clock.pass_time(1)
    assert (watch.elapsed_s, watch.paused) == (2.0, False)


def test_nested_pauses_count_once(clock):
    watch = Stopwatch(10.0, clock=clock)
    with watch.pause():
        with watch.pause():
            clock.pass_time(5)
        clock.pass_time(5)
    clock.pass_time(1)
    assert watch.elapsed_s == 1.0


def test_overlapping_pauses_last_from_the_first_to_the_last(clock):
    watch = Stopwatch(10.0, clock=clock)
    first, second = watch.pause(), watch.pause()
    first.__enter__()
    clock.pass_time(2)
    second.__enter__()
    first.__exit__(None, None, None)
    clock.pass_time(2)
    assert watch.paused
    second.__exit__(None, None, None)
    clock.pass_time(3)
    assert watch.elapsed_s == 3.0


def test_a_pause_ends_with_its_block_also_by_an_error(clock):
    watch = Stopwatch(10.0, clock=clock)
    with pytest.raises(ValueError, match="no"), watch.pause():
        raise ValueError("no")
    assert not watch.paused


def test_without_a_limit_nothing_remains_to_be_counted(clock):
    watch = Stopwatch(None, clock=clock)
    clock.pass_time(10_000)
    assert watch.remaining_s is None


async def settle() -> None:
    """Let everything on the loop go as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_expired_returns_at_the_limit_and_not_before(clock):
    async def run() -> None:
        watch = Stopwatch(10.0, clock=clock)
        expired = asyncio.create_task(watch.expired())
        await settle()
        clock.pass_time(9.9)
        await settle()
        assert not expired.done()
        clock.pass_time(0.1)
        await asyncio.wait_for(expired, BOUND_S)

    asyncio.run(run())


def test_expired_waits_out_a_pause(clock):
    async def run() -> None:
        watch = Stopwatch(10.0, clock=clock)
        expired = asyncio.create_task(watch.expired())
        await settle()
        with watch.pause():
            await settle()
            clock.pass_time(1000)
            await settle()
        await settle()
        assert not expired.done()
        clock.pass_time(10)
        await asyncio.wait_for(expired, BOUND_S)

    asyncio.run(run())


def test_a_pause_from_another_thread_counts(clock):
    async def run() -> None:
        watch = Stopwatch(10.0, clock=clock)
        expired = asyncio.create_task(watch.expired())
        await settle()

        def ask() -> None:
            with watch.pause():
                clock.pass_time(1000)

        await asyncio.to_thread(ask)
        await settle()
        assert (expired.done(), watch.elapsed_s) == (False, 0.0)
        expired.cancel()

    asyncio.run(run())
