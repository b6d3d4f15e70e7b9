"""The threads that make file system calls, and the sandbox helpers behind them: made once by a server.

Nothing here blocks the event loop. What a thread raises comes out as the `RpcError` that the client gets.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from shelltool.errors import SandboxError
from shelltool.exec_server.errors import from_os_error, from_sandbox_error
from shelltool.exec_server.files.calls import Calls, LocalCalls
from shelltool.exec_server.files.helper_pool import Helpers

THREAD_LIMIT = 16
"""Of all connections together; a file system that hangs takes one for each request."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class FileWorkers:
    """Threads and helpers. Use and close it on one event loop."""

    def __init__(self, helpers: Helpers | None = None, *, threads: int = THREAD_LIMIT) -> None:
        self._helpers = helpers or Helpers(tmpdir=os.environ.get("TMPDIR"))
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="files")
        self._idle: asyncio.TimerHandle | None = None
        self._local = LocalCalls()

    async def run(
        self,
        sandbox: Mapping[str, Any] | None,
        path: str | None,
        function: Callable[Concatenate[Calls, _P], _R],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R:
        """Have a function called with the calls that a sandbox allows. `path`: what errors are about."""

        def work() -> _R:
            with _as_rpc_errors(path):
                if sandbox is None:
                    return function(self._local, *args, **kwargs)
                with self._helpers.serving(sandbox) as calls:
                    return function(calls, *args, **kwargs)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            if sandbox is not None:
                self._end_idle_later()

    async def close(self) -> None:
        """End all helpers. Calls that are being made are not waited for."""
        if self._idle is not None:
            self._idle.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._helpers.close)

    def _end_idle_later(self) -> None:
        if self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(self._helpers.idle_s, self._end_idle)

    def _end_idle(self) -> None:
        def ended(left: asyncio.Future[bool]) -> None:
            self._idle = None
            if not left.cancelled() and left.exception() is None and left.result():
                self._end_idle_later()

        work = asyncio.get_running_loop().run_in_executor(self._threads, self._helpers.end_idle)
        work.add_done_callback(ended)


@contextmanager
def _as_rpc_errors(path: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Names in a folder are of no use to a client.
        named = error.filename if isinstance(error.filename, str) and error.filename.startswith("/") else path
        raise from_os_error(error, named) from error
    except SandboxError as error:
        raise from_sandbox_error(error, path) from error
