"""What a maintainer reads when a script differs: a unified diff for each way, cut to a readable length."""

from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

from shellbuild.conformance.judge import First, Round, deviant_ways
from shellbuild.conformance.model import Difference, Outcome, Way

DIFF_LINES = 400
DIFF_INPUT_LINES = 20_000
"""difflib takes quadratic time; no script of upstream's prints half as much."""


def write_diffs(script: str, first: First, rounds: Sequence[Round], folder: Path) -> tuple[Difference, ...]:
    """Write one diff for each way that was off, and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for way, (unpatched, outcome) in deviant_ways(first, rounds).items():
        target = folder / f"{script}.{way}.diff"
        target.write_bytes(_diff(unpatched, outcome, way))
        written.append(
            Difference(way=way, unpatched_status=unpatched.status, status=outcome.status, diff=target)
        )
    return tuple(written)


def _diff(unpatched: Outcome, outcome: Outcome, way: Way) -> bytes:
    old, new = (_lines(one) for one in (unpatched, outcome))
    lines = list(unified_diff(old, new, "unpatched", str(way), n=3, lineterm=""))
    if len(lines) > DIFF_LINES:
        lines[DIFF_LINES:] = [f"[{len(lines) - DIFF_LINES} lines more]"]
    return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def _lines(outcome: Outcome) -> list[str]:
    text = outcome.output.decode("utf-8", "surrogateescape")
    return [*text.split("\n")[:DIFF_INPUT_LINES], f"[status {outcome.status}]"]
