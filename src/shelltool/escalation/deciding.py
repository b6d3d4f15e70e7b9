"""The event loop's side of a call: decisions that take their time, output to its callback.

Owns the tasks that it makes: one for each exec that waits for a decision, and none is left when a call ends.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from shelltool.escalation.judging import Judge, Question
from shelltool.escalation.policy import Decision

Stream = Literal["stdout", "stderr"]

WAITING_OUTPUT_BYTES = 4 << 20
"""Output that was read and not yet given to the callback; while there is more, the command waits."""


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """What the command wrote, in the order in which it was written across both streams."""

    stream: Stream
    data: bytes


class Decisions:
    """Asks a policy on the event loop, for a thread."""

    def __init__(self, judge: Judge, answer: Callable[[int, Decision], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._judge = judge
        self._answer = answer
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closed = False

    def ask(self, question: Question, number: int) -> None:
        """Start to decide; from the thread."""
        self._loop.call_soon_threadsafe(self._begin, question, number)

    def forget(self, number: int) -> None:
        """Stop deciding, where nobody waits for it any more; from the thread."""
        self._loop.call_soon_threadsafe(self._cancel, number)

    async def close(self) -> None:
        """Stop all; on the loop."""
        self._closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, question: Question, number: int) -> None:
        if not self._closed:
            task = asyncio.create_task(self._decide(question, number))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._tasks.pop(number))

    def _cancel(self, number: int) -> None:
        if task := self._tasks.get(number):
            task.cancel()

    async def _decide(self, question: Question, number: int) -> None:
        self._answer(number, await self._judge.decide(question))


class OutputRelay:
    """Hands output from a thread to a callback on the event loop, with a limit on what waits."""

    def __init__(self, deliver: Callable[[OutputChunk], None]) -> None:
        self.failure: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._lock = threading.Lock()
        self._waiting: list[OutputChunk] = []
        self._waiting_bytes = 0
        self._resume = _nothing
        self._give_up = _nothing

    def connect(self, *, resume: Callable[[], None], give_up: Callable[[], None]) -> None:
        """Name what is called when there is room again, and what when the callback fails."""
        self._resume, self._give_up = resume, give_up

    @property
    def ready(self) -> bool:
        """Whether more may be put; from the thread."""
        return self._waiting_bytes < WAITING_OUTPUT_BYTES

    def put(self, stream: int, data: bytes) -> None:
        """Take output of descriptor 1 or 2; from the thread."""
        chunk = OutputChunk("stdout" if stream == 1 else "stderr", data)
        with self._lock:
            self._waiting.append(chunk)
            self._waiting_bytes += len(data)
            first = len(self._waiting) == 1
        if first:
            self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """Deliver what waits; on the loop."""
        with self._lock:
            chunks, self._waiting = self._waiting, []
            was_full = not self.ready
            self._waiting_bytes = 0
        for chunk in chunks:
            self._deliver_one(chunk)
        if was_full:
            self._resume()

    def _deliver_one(self, chunk: OutputChunk) -> None:
        if self.failure is not None:
            return
        try:
            self._deliver(chunk)
        except Exception as error:  # noqa: BLE001 - kept for the caller, who raises it when all is ended
            self.failure = error
            self._give_up()


def _nothing() -> None:
    pass
