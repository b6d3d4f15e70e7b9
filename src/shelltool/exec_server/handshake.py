"""What may be asked when: the order of `initialize`, `initialized` and the rest on one connection. Free of I/O."""

from enum import Enum, auto

from shelltool.exec_server.errors import ProtocolViolationError, invalid_request
from shelltool.exec_server.methods import Family


class _Step(Enum):
    NEW = auto()
    INITIALIZED = auto()
    READY = auto()


class Handshake:
    """One connection's."""

    def __init__(self) -> None:
        self._step = _Step.NEW

    def check_may_initialize(self) -> None:
        """Refuse a second `initialize`; one that failed may be sent again."""
        if self._step is not _Step.NEW:
            raise invalid_request("initialize may only be sent once per connection")

    def initialize_succeeded(self) -> None:
        """Go on to wait for `initialized`."""
        self._step = _Step.INITIALIZED

    def notified(self, method: str) -> None:
        """Take a client's notification: there is one, and it comes after `initialize`."""
        if method != "initialized":
            raise ProtocolViolationError(f"clients send no notification `{method[:100]}`")
        if self._step is _Step.NEW:
            raise ProtocolViolationError("initialized before initialize")
        self._step = _Step.READY

    def check_ready(self, family: Family) -> None:
        """Refuse what comes too early."""
        if self._step is _Step.NEW:
            raise invalid_request(f"client must call initialize before using {family} methods")
        if self._step is _Step.INITIALIZED:
            raise invalid_request(f"client must send initialized before using {family} methods")
