"""What earlier steps left behind about a build: seconds, conformance with upstream's suites, test results.

Each is optional: a report of a partial build says that a figure is missing and does not make one up.
"""

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One upstream suite, compared unpatched, patched and wrapped."""

    name: str
    scripts: int
    same: int
    different: int
    unstable: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """One run of our own tests."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTime:
    """How long a component took to build."""

    target: str
    component: str
    seconds: float


def build_times(path: Path) -> list[BuildTime]:
    """Read what `nox -s vendor` noted of its builds."""
    document = _json(path) or {"builds": []}
    return [
        BuildTime(target=build["target"], component=build["component"], seconds=float(build["seconds"]))
        for build in document["builds"]
    ]


def conformance(path: Path) -> list[Suite]:
    """Read what `nox -s conformance` wrote."""
    document = _json(path) or {"suites": []}
    return [
        Suite(
            name=f"{suite['suite']} {suite['release']}",
            scripts=suite["scripts"],
            same=suite["same"],
            different=suite["different"],
            unstable=suite["unstable"],
            seconds=suite["seconds"],
        )
        for suite in document["suites"]
    ]


def own_test_runs(folder: Path) -> list[RunFigures]:
    """Read the JUnit files that pytest wrote (`--junitxml`), one a run."""
    return [figures for path in sorted(folder.glob("tests*.xml")) if (figures := _one_run(path))]


def _one_run(path: Path) -> RunFigures | None:
    suites = ET.parse(path).getroot().iter("testsuite")  # noqa: S314 - our own pytest wrote it
    sums = {"tests": 0.0, "failures": 0.0, "errors": 0.0, "skipped": 0.0, "time": 0.0}
    for suite in suites:
        for key in sums:
            sums[key] += float(suite.get(key, "0"))
    failed = int(sums["failures"] + sums["errors"])
    skipped = int(sums["skipped"])
    return RunFigures(
        name=path.stem,
        passed=int(sums["tests"]) - failed - skipped,
        failed=failed,
        skipped=skipped,
        seconds=sums["time"],
    )


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
