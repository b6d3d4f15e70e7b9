"""What a conformance run ends with: a table, `build/conformance.json`, and an error when anything differs."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shellbuild.conformance.model import ScriptResult, SuiteResult, Verdict
from shellbuild.console import note, show_table
from shellbuild.errors import ConformanceError

FORMAT = 1
HEADER = ("suite", "scripts", "same", "different", "unstable", "retried", "seconds")


def report(results: Sequence[SuiteResult], json_path: Path) -> None:
    """Print the table and write the JSON; raise ConformanceError when anything is not as it must be."""
    _write_json(results, json_path)
    show_table("conformance with upstream's suites", HEADER, [_row(result) for result in results])
    note(f"details: {json_path}")
    faults = [fault for result in results for fault in _faults(result)]
    if not results:
        faults = ["no suite was run"]
    if faults:
        raise ConformanceError("\n".join([*faults, f"full report: {json_path}"]))


def _row(result: SuiteResult) -> tuple[str, ...]:
    counts = [len(result.scripts), *(len(result.having(verdict)) for verdict in Verdict), len(result.retried)]
    return (f"{result.name} {result.release}", *map(str, counts), f"{result.seconds:.0f}")


def _faults(result: SuiteResult) -> list[str]:
    title = f"{result.name} {result.release}"
    faults = [
        f"{title}: {script.script} differs: {_where(script)}" for script in result.having(Verdict.DIFFERENT)
    ]
    faults += [
        f"{title}: {script.script} is unstable: {script.note}; find out why, or list it with the reason"
        f" in recipes/{result.name}.toml, releases.{result.release}.unstable_tests"
        for script in result.unlisted
    ]
    faults += [f"{title}: {problem}" for problem in result.problems]
    if not result.scripts:
        faults.append(f"{title}: no script was run")
    return faults


def _where(script: ScriptResult) -> str:
    return ", ".join(f"{one.way} ({one.diff})" for one in script.differences)


def _write_json(results: Sequence[SuiteResult], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    document = {"format": FORMAT, "suites": [_as_json(result) for result in results]}
    fresh.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def _as_json(result: SuiteResult) -> dict[str, Any]:
    return {
        "suite": result.name,
        "release": result.release,
        "scripts": len(result.scripts),
        **{str(verdict): len(result.having(verdict)) for verdict in Verdict},
        "retried": [script.script for script in result.retried],
        "problems": list(result.problems),
        "seconds": result.seconds,
        "details": [_detail(script) for script in result.scripts if script.note or script.differences],
    }


def _detail(script: ScriptResult) -> dict[str, Any]:
    detail = dataclasses.asdict(script)
    for difference in detail["differences"]:
        difference["diff"] = str(difference["diff"])
    return detail
