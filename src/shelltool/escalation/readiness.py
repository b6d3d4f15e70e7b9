"""Which descriptors of a call can be read, and what is then to be done: poll(2), on one thread, that others may wake."""

import contextlib
import select
import socket
from collections.abc import Callable

WAKE_BYTES = 4096


class Readiness:
    """Calls a handler for each watched descriptor that can be read. `wake` is for any thread, the rest for one."""

    def __init__(self, on_wake: Callable[[], None]) -> None:
        self._awake, self._waker = socket.socketpair()
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._on_wake = on_wake
        self.watch(self._awake.fileno(), self._woken)

    def watch(self, fd: int, handler: Callable[[], None]) -> None:
        """Have the handler called whenever there is something to read, or an end."""
        self._handlers[fd] = handler
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Stop that, where it is watched; before it is closed."""
        if self._handlers.pop(fd, None):
            self._poll.unregister(fd)

    def watches(self, fd: int) -> bool:
        """Tell whether it is watched."""
        return fd in self._handlers

    def wait(self, patience_ms: int | None) -> None:
        """Wait until something can be read, and call the handlers; None waits without end."""
        for fd, _ in self._poll.poll(patience_ms):
            if handler := self._handlers.get(fd):  # an earlier handler may have stopped watching this one
                handler()

    def wake(self) -> None:
        """Have `wait` call what is for that."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0", socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Let go of what wakes it."""
        self._awake.close()
        self._waker.close()

    def _woken(self) -> None:
        self._awake.recv(WAKE_BYTES, socket.MSG_DONTWAIT)
        self._on_wake()
