"""A deadline that does not run while a person is being asked.

Pauses may nest and overlap, from any thread: time counts only while none is open. A call has one.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Clock(Protocol):
    """Where a stopwatch gets its time from."""

    def now(self) -> float:
        """Give seconds since some fixed moment."""
        ...

    def call_later(self, delay_s: float, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called on the event loop after a delay; give what cancels that."""
        ...


class LoopClock:
    """The monotonic clock, and timers of the running event loop."""

    def now(self) -> float:
        return time.monotonic()

    def call_later(self, delay_s: float, wake: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_later(delay_s, wake).cancel


class Stopwatch:
    """Counts the time that a call has taken, without its pauses."""

    def __init__(self, limit_s: float | None, *, clock: Clock | None = None) -> None:
        self.limit_s = limit_s
        self._clock = clock or LoopClock()
        self._lock = threading.Lock()
        self._pauses = 0
        self._counted_s = 0.0
        self._resumed_at = self._clock.now()
        self._listeners: list[Callable[[], None]] = []

    @property
    def elapsed_s(self) -> float:
        """Give the time that has counted so far."""
        with self._lock:
            return self._elapsed()

    @property
    def paused(self) -> bool:
        with self._lock:
            return self._pauses > 0

    @property
    def remaining_s(self) -> float | None:
        """Give what is left, at least 0, or None without a limit."""
        return None if self.limit_s is None else max(0.0, self.limit_s - self.elapsed_s)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Stop the time for as long as the block runs."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def expired(self) -> None:
        """Return when the limit has been reached; never, where there is none."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(changed.set)

        self._listeners.append(wake)
        try:
            while (remaining := self.remaining_s) is None or remaining > 0:
                changed.clear()
                await self._wait(changed, None if self.paused else remaining)
        finally:
            self._listeners.remove(wake)

    async def _wait(self, changed: asyncio.Event, remaining_s: float | None) -> None:
        cancel = None if remaining_s is None else self._clock.call_later(remaining_s, changed.set)
        try:
            await changed.wait()
        finally:
            if cancel:
                cancel()

    def _elapsed(self) -> float:
        running = 0.0 if self._pauses else self._clock.now() - self._resumed_at
        return self._counted_s + running

    def _count(self, change: int) -> None:
        with self._lock:
            was_paused = self._pauses > 0
            if not was_paused:
                self._counted_s = self._elapsed()
            self._pauses += change
            if not self._pauses:
                self._resumed_at = self._clock.now()
        for wake in tuple(self._listeners):
            wake()
