"""How much a rules file may use; known to the parent, who sets the limits, and the child, who lives in them."""

from typing import NamedTuple


# A tuple, because the child would spend a quarter of its time on importing dataclasses.
class Limits(NamedTuple):
    """What the evaluation of one rules file may use."""

    # Thousands of loop rounds or calls, counted by the library: the same on every machine.
    steps: int = 20_000
    statements: int = 10_000
    # Characters of all statements of the file together, as JSON.
    characters: int = 4 << 20
    cpu_seconds: int = 5
    # Wall-clock end of the child, by its own alarm: it ends even if its parent is gone.
    seconds: int = 10
    memory_bytes: int = 512 << 20
    output_bytes: int = 16 << 20
    # Wall-clock end of loading, all files together; files that are not reached by then count as broken.
    total_seconds: int = 30


DEFAULT_LIMITS = Limits()
