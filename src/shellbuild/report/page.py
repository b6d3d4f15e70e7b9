"""The page itself: figures turned into rows of text, and the template filled with them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shellbuild.manifest import Manifest, VendoredFile, digests, load_manifest, make_manifest
from shellbuild.project import BUILD, DIST, VENDOR, load_project
from shellbuild.release_plan import (
    CHECKSUMS,
    REPORT,
    Plan,
    archive_name,
    default_tag,
    plan_release,
    wheel_name,
)
from shellbuild.report.changes import Changes, compare
from shellbuild.report.figures import BuildTime, RunFigures, Suite, build_times, conformance, own_test_runs
from shellbuild.report.previous import NOTHING_EARLIER
from shellbuild.templates import render
from shellbuild.whole_files import write_whole

_KINDS = {"bash": "bash", "zsh": "zsh"}
_KIB, _MIB = 1 << 10, 1 << 20


def write_report(
    *,
    tag: str | None = None,
    vendor: Path = VENDOR,
    dist: Path = DIST,
    build: Path = BUILD,
    previous: Manifest | None = None,
    not_compared: str = NOTHING_EARLIER,
) -> Path:
    """Write `report.html` of a tag's release, by default this checkout's, into `dist` and give its path."""
    plan = plan_release(tag or default_tag())
    manifest = _of_release(load_manifest(vendor), plan)
    changes = compare(_of_release(previous, plan), manifest) if previous else None
    suites, runs = conformance(build / "conformance.json"), own_test_runs(build)
    downloads = _downloads(dist, plan)
    times = [one for one in build_times(build / "vendor-times.json") if plan.product.has(one.component)]
    page = render(
        "report/report.html.j2",
        name=plan.product.name,
        version=plan.version.semver,
        tiles=[
            {"name": "targets", "text": len(manifest.targets)},
            {"name": "vendored files", "text": len(manifest.files)},
            {"name": "vendor tree", "text": size_text(sum(file.size for file in manifest.files))},
            {"name": "downloads", "text": len(downloads)},
            {"name": "upstream scripts the same", "text": _score(suites)},
            {"name": "tests passed", "text": _passed(runs)},
        ],
        targets=[
            _target(manifest, target, times, _artefact_rows(dist, plan, target))
            for target in manifest.targets
        ],
        largest_program=max((file.size for file in manifest.files if file.role == "program"), default=0),
        downloads=downloads,
        times=[
            _bar(f"{one.component} {one.target}", one.seconds, f"{one.seconds:.0f} s", kind="time")
            for one in times
        ],
        suites=suites,
        runs=runs,
        changes=_changes(changes) if changes else None,
        not_compared=not_compared,
    )
    dist.mkdir(parents=True, exist_ok=True)
    return write_whole(dist / REPORT, page)


def size_text(size: int) -> str:
    """Write a size for people."""
    if size < _KIB:
        return f"{size} B"
    return f"{size / _KIB:.0f} KiB" if size < _MIB else f"{size / _MIB:.2f} MiB"


def _of_release(manifest: Manifest, plan: Plan) -> Manifest:
    return make_manifest(
        manifest.version, (file for file in manifest.files if plan.product.has(file.component))
    )


def _score(suites: Sequence[Suite]) -> str:
    if not suites:
        return "not run"
    return f"{sum(suite.same for suite in suites)}/{sum(suite.scripts for suite in suites)}"


def _passed(runs: Sequence[RunFigures]) -> str:
    if not runs:
        return "not run"
    failed = sum(run.failed for run in runs)
    return f"{sum(run.passed for run in runs)}{f', {failed} failed' if failed else ''}"


def _target(
    manifest: Manifest, target: str, times: Iterable[BuildTime], artefacts: Iterable[dict[str, str]]
) -> dict[str, Any]:
    programs = manifest.programs(target)
    rest = [file for file in manifest.of(target) if file.role == "data"]
    seconds = {one.component: f"{one.seconds:.0f} s" for one in times if one.target == target}
    return {
        "name": target,
        "programs": [_bar(file.component, file.size, size_text(file.size)) for file in programs],
        "files": [
            *(_row(file.component, file.size, file.sha256, seconds.get(file.component)) for file in programs),
            *_data_rows(rest),
            *artefacts,
        ],
    }


def _artefact_rows(dist: Path, plan: Plan, target: str) -> list[dict[str, str]]:
    platform = load_project().platforms.get(target)
    names = {f"{shell}.tar.gz": archive_name(shell, plan.version, target) for shell in plan.product.shells}
    if platform and plan.product.packaged:
        names["wheel"] = wheel_name(plan.version, platform)
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


def _downloads(dist: Path, plan: Plan) -> list[dict[str, Any]]:
    names = sorted(set(plan.file_names()) - {CHECKSUMS, REPORT})
    files = [dist / name for name in names if (dist / name).is_file()]
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
