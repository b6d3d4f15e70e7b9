"""Watching for paths that come to be, or go: advisory, by looking once in a while.

Looking takes a thread for some microseconds; a change is told once, and then nothing is watched any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files.calls import Calls

INTERVAL_S = 1.0


def has_changed(calls: Calls, missing: Sequence[str], present: str | None) -> bool:
    """Tell whether one of `missing` is there, or `present` is not."""
    if present is not None and not _is_there(calls, present):
        return True
    return any(_is_there(calls, path) for path in missing)


def _is_there(calls: Calls, path: str) -> bool:
    try:
        calls.status(path, follow=False)
    except OSError:
        return False
    return True


class Watch:
    """The watch of one connection, if it has one."""

    def __init__(self, *, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    def start(self, look: Callable[[], Awaitable[bool]], tell: Callable[[], Awaitable[None]]) -> None:
        """Look from now on, instead of what was watched before."""
        self.stop()
        self._task = asyncio.create_task(self._run(look, tell), name="fs/watchMissing")

    def stop(self) -> None:
        """Watch nothing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, look: Callable[[], Awaitable[bool]], tell: Callable[[], Awaitable[None]]) -> None:
        try:
            while not await look():  # noqa: ASYNC110 - the files of a machine have no event
                await asyncio.sleep(self._interval_s)
        except RpcError:
            return  # its sandbox is gone; a client that still cares asks again
        await tell()
