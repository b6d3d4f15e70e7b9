"""Figures of two contenders put together, printed, held against targets, and kept in `build/bench.json`.

Every benchmark measures pairs: both contenders do the same thing, one right after the other, so that whatever else the
machine does hits both. The ratio that counts is the median of the ratios within the pairs.
"""

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "build" / "bench.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, in pairs of ours and the peer's."""

    name: str
    unit: str
    pairs: Sequence[Mapping[str, float]]
    target_ratio: float | None = None
    target: float | None = None
    """For ours, in the unit."""

    def median(self, contender: str) -> float:
        """Give the median of one contender."""
        return statistics.median(pair[contender] for pair in self.pairs)

    @property
    def ratio(self) -> float:
        """Give the median of the ratios within the pairs."""
        return statistics.median(pair["ours"] / pair["peer"] for pair in self.pairs)

    @property
    def is_met(self) -> bool:
        """Tell whether the targets are met."""
        return (self.target_ratio is None or self.ratio <= self.target_ratio) and (
            self.target is None or self.median("ours") <= self.target
        )

    def as_json(self) -> dict[str, Any]:
        """Give what is kept."""
        kept = {
            "unit": self.unit,
            "ours": round(self.median("ours"), 3),
            "peer": round(self.median("peer"), 3),
            "ratio": round(self.ratio, 3),
            "pairs": len(self.pairs),
            "target_ratio": self.target_ratio,
            "target": self.target,
            "met": self.is_met,
        }
        return {key: value for key, value in kept.items() if value is not None}

    def __str__(self) -> str:
        """Give a line for people."""
        wanted = [f"at most {self.target_ratio} of it"] if self.target_ratio is not None else []
        wanted += [f"at most {self.target} {self.unit}"] if self.target is not None else []
        verdict = f"; wanted: {' and '.join(wanted)}: {'met' if self.is_met else 'MISSED'}" if wanted else ""
        return (
            f"{self.name}: {self.median('ours'):.2f} {self.unit}, the package's {self.median('peer'):.2f},"
            f" ratio {self.ratio:.2f}{verdict}"
        )


def publish(benchmark: str, figures: Sequence[Figure]) -> int:
    """Print, and put the figures beside those of the other benchmarks; the exit status tells whether targets are met."""
    for figure in figures:
        print(figure)
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known[benchmark] = {figure.name: figure.as_json() for figure in figures}
    partial = RESULTS.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    partial.replace(RESULTS)
    return 0 if all(figure.is_met for figure in figures) else 1
