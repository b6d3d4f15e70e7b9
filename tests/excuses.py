"""Why a test may be left out even where TESTS_MUST_RUN is set: no package mends it.

A program that is missing is no excuse there: what a session runs stands in scripts/bootstrap.py.
"""

_MARK = "not on this machine"


def machine(reason: str) -> str:
    """Give the reason for a skip that is up to the kernel, the user or the kind of machine."""
    return f"{_MARK}: {reason}"


def excused(reason: str) -> bool:
    """Tell whether a skip was for such a reason."""
    return _MARK in reason
