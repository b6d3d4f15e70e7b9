"""Waiting for what another process does: bounded, and said when it did not come."""

import time
from collections.abc import Callable

LIMIT_S = 10.0
PAUSE_S = 0.002


def until(condition: Callable[[], bool], complaint: str, limit_s: float = LIMIT_S) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(PAUSE_S)
