"""Builds that look for memory faults in the shells; never shipped."""

from enum import StrEnum


class Sanitize(StrEnum):
    """What the host's compiler builds for."""

    ADDRESS = "address"
    VALGRIND = "valgrind"
