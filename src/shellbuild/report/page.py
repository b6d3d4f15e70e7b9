"""The page itself: figures turned into rows of text, and the template filled with them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shellbuild.manifest import Manifest, VendoredFile, digests, load_manifest
from shellbuild.project import BUILD, DIST, SHELLS, VENDOR, load_project
from shellbuild.release_plan import CHECKSUMS, PACKAGE, REPORT, archive_name, wheel_name
from shellbuild.report.changes import Changes, compare
from shellbuild.report.figures import BuildTime, RunFigures, Suite, build_times, conformance, own_test_runs
from shellbuild.templates import render
from shellbuild.version import project_version

_KINDS = {"bash": "bash", "zsh": "zsh"}
_KIB, _MIB = 1 << 10, 1 << 20


def write_report(
    *, vendor: Path = VENDOR, dist: Path = DIST, build: Path = BUILD, previous: Manifest | None = None
) -> Path:
    """Write `report.html` into `dist` and give its path."""
    manifest = load_manifest(vendor)
    changes = compare(previous, manifest) if previous else None
    suites, runs = conformance(build / "conformance.json"), own_test_runs(build)
    downloads, times = _downloads(dist), build_times(build / "vendor-times.json")
    page = render(
        "report/report.html.j2",
        name=PACKAGE,
        version=manifest.version,
        tiles=[
            {"name": "targets", "text": len(manifest.targets)},
            {"name": "vendored files", "text": len(manifest.files)},
            {"name": "vendor tree", "text": size_text(sum(file.size for file in manifest.files))},
            {"name": "downloads", "text": len(downloads)},
            {"name": "upstream scripts the same", "text": _score(suites)},
            {"name": "tests passed", "text": _passed(runs)},
        ],
        targets=[_target(manifest, target, dist, times) for target in manifest.targets],
        largest_program=max((file.size for file in manifest.files if file.role == "program"), default=0),
        downloads=downloads,
        times=[
            _bar(f"{one.component} {one.target}", one.seconds, f"{one.seconds:.0f} s", kind="time")
            for one in times
        ],
        suites=suites,
        runs=runs,
        changes=_changes(changes) if changes else None,
    )
    dist.mkdir(parents=True, exist_ok=True)
    target = dist / REPORT
    target.write_text(page, encoding="utf-8")
    return target


def size_text(size: int) -> str:
    """Write a size for people."""
    if size < _KIB:
        return f"{size} B"
    return f"{size / _KIB:.0f} KiB" if size < _MIB else f"{size / _MIB:.2f} MiB"


def _score(suites: Sequence[Suite]) -> str:
    if not suites:
        return "not run"
    return f"{sum(suite.same for suite in suites)}/{sum(suite.scripts for suite in suites)}"


def _passed(runs: Sequence[RunFigures]) -> str:
    if not runs:
        return "not run"
    failed = sum(run.failed for run in runs)
    return f"{sum(run.passed for run in runs)}{f', {failed} failed' if failed else ''}"


def _target(manifest: Manifest, target: str, dist: Path, times: Iterable[BuildTime]) -> dict[str, Any]:
    programs = manifest.programs(target)
    rest = [file for file in manifest.of(target) if file.role == "data"]
    seconds = {one.component: f"{one.seconds:.0f} s" for one in times if one.target == target}
    return {
        "name": target,
        "programs": [_bar(file.component, file.size, size_text(file.size)) for file in programs],
        "files": [
            *(_row(file.component, file.size, file.sha256, seconds.get(file.component)) for file in programs),
            *_data_rows(rest),
            *_artefact_rows(dist, target),
        ],
    }


def _artefact_rows(dist: Path, target: str) -> list[dict[str, str]]:
    version, platform = project_version(), load_project().platforms.get(target)
    names = {f"{shell}.tar.gz": archive_name(shell, version, target) for shell in SHELLS}
    if platform:
        names["wheel"] = wheel_name(version, platform)
    return [
        _row(kind, (dist / name).stat().st_size, _sha256(dist / name))
        for kind, name in names.items()
        if (dist / name).is_file()
    ]


def _row(name: str, size: int, sha256: str, seconds: str | None = None) -> dict[str, str]:
    return {"name": name, "text": size_text(size), "sha256": sha256, "seconds": seconds or ""}


def _sha256(path: Path) -> str:
    return digests(path)[1]


def _data_rows(files: Iterable[VendoredFile]) -> list[dict[str, str]]:
    """Sum up the data of a component: hundreds of functions are one line, with a digest over theirs."""
    by_component: dict[str, list[VendoredFile]] = {}
    for file in files:
        by_component.setdefault(file.component, []).append(file)
    return [
        _row(
            f"{component}: {len(group)} data files",
            sum(file.size for file in group),
            hashlib.sha256("\n".join(file.sha256 for file in group).encode()).hexdigest(),
        )
        for component, group in sorted(by_component.items())
    ]


def _downloads(dist: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in dist.glob("*") if path.is_file() and path.name not in {CHECKSUMS, REPORT})
    return [
        _bar(path.name, path.stat().st_size, size_text(path.stat().st_size), kind="dist")
        | {"sha256": _sha256(path)}
        for path in files
    ]


def _changes(changes: Changes) -> dict[str, Any]:
    return {
        "since": changes.since,
        "facts": changes.facts,
        "files": [
            {
                "path": file.path,
                "kind": file.kind,
                "before": "" if file.before is None else size_text(file.before),
                "now": "" if file.now is None else size_text(file.now),
            }
            for file in changes.files
        ],
    }


def _bar(name: str, value: float, text: str, kind: str | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "text": text, "kind": kind or _KINDS.get(name, "helper")}
