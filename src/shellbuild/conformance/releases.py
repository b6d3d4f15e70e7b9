"""From recipes to suites: which releases to compare, their shells built and their trees fetched."""

from collections.abc import Sequence
from pathlib import Path

from shellbuild.builder import build, make_request
from shellbuild.conformance.model import ShellSet, SuiteResult
from shellbuild.conformance.reporting import report
from shellbuild.conformance.run import run_suite
from shellbuild.errors import UsageError
from shellbuild.project import BUILD, SHELLS, load_project
from shellbuild.sources import obtain_source


def compare_releases(
    *, shells: Sequence[str], releases: Sequence[str], every: bool, only: Sequence[str], jobs: int
) -> Path:
    """Compare the releases asked for, by default each shell's own; give the path of the JSON report."""
    chosen = _choose(shells or SHELLS, releases, every=every)
    json_path = BUILD / "conformance.json"
    report([_compare(name, version, only, jobs) for name, version in chosen], json_path)
    return json_path


def _choose(shells: Sequence[str], releases: Sequence[str], *, every: bool) -> list[tuple[str, str]]:
    recipes = {name: load_project().recipes[name] for name in shells}
    if every:
        return [(name, version) for name, recipe in recipes.items() for version in recipe.releases]
    if not releases:
        return [(name, recipe.default_release) for name, recipe in recipes.items()]
    chosen = [
        (name, version)
        for version in releases
        for name, recipe in recipes.items()
        if version in recipe.releases
    ]
    missing = [version for version in releases if version not in {one for _, one in chosen}]
    if missing:
        raise UsageError(f"no release {', '.join(missing)} in the recipes of {', '.join(shells)}")
    return chosen


def _compare(name: str, version: str, only: Sequence[str], jobs: int) -> SuiteResult:
    request = make_request(name, release=version, jobs=jobs)
    patched = build(request)
    unpatched = build(make_request(name, release=version, patched=False, jobs=jobs))
    tree = obtain_source(name, version, request.release.sources)
    functions = patched / "functions"
    shells = ShellSet(
        name=name,
        release=version,
        unpatched=unpatched / name,
        patched=patched / name,
        tree=tree.path,
        functions=functions if functions.is_dir() else None,
    )
    work = BUILD / "conformance" / f"{name}-{version}"
    return run_suite(shells, unstable=request.release.unstable_tests, jobs=jobs, work=work, only=only)
