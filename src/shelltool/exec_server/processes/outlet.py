"""Where a process's notifications go: a session's present connection, or nobody.

Owns nothing; the session implements it. A process stops reading its output while the outlet is full, so a slow client
makes the process wait and not the server grow.
"""

from collections.abc import Callable
from typing import Protocol

from shelltool.exec_server.messages import Message


class Outlet(Protocol):
    """Takes notifications, never waits."""

    @property
    def is_full(self) -> bool:
        """Whether no more output should be read for now."""

    def send(self, method: str, params: Message) -> None:
        """Take a notification; without a connection it is forgotten, and only `process/read` has what it said."""

    def when_not_full(self, callback: Callable[[], None]) -> None:
        """Call back once, as soon as there is room."""
