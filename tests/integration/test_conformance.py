"""A handful of upstream's scripts on the real shells: as good as unpatched, and found out when they aren't."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from shellbuild.builder import build, make_request
from shellbuild.conformance import ShellSet, SuiteResult, report, run_suite
from shellbuild.conformance.model import Verdict, Way
from shellbuild.errors import ConformanceError
from shellbuild.sources import obtain_source

pytestmark = pytest.mark.build

# Quick ones that run many commands.
SCRIPTS = {
    "bash": ("run-alias", "run-exportfunc"),
    "zsh": ("B13whence.ztst", "D08cmdsubst.ztst"),
}
# Loses the last argument of every command, as a wrapper protocol that is off by one would.
CLUMSY_WRAPPER = """\
#!/bin/bash
program=$1
name=$2
set -- "${@:3}"
exec -a "$name" "$program" "${@:1:$# - ($# > 0)}"
"""


@pytest.fixture(scope="module", params=SCRIPTS)
def shells(request: pytest.FixtureRequest) -> ShellSet:
    name = request.param
    wanted = make_request(name)
    patched, unpatched = build(wanted), build(make_request(name, patched=False))
    functions = patched / "functions"
    return ShellSet(
        name=name,
        release=wanted.version,
        unpatched=unpatched / name,
        patched=patched / name,
        tree=obtain_source(name, wanted.version, wanted.release.sources).path,
        functions=functions if functions.is_dir() else None,
    )


def run(shells: ShellSet, work: Path, scripts: Sequence[str]) -> SuiteResult:
    return run_suite(shells, unstable={}, jobs=2, work=work, only=scripts)


def test_upstreams_scripts_give_the_same_in_all_three_ways(shells: ShellSet, tmp_path: Path) -> None:
    target = tmp_path / "conformance.json"
    report([run(shells, tmp_path / "work", SCRIPTS[shells.name])], target)
    (suite,) = json.loads(target.read_text(encoding="utf-8"))["suites"]
    wanted = {"scripts": len(SCRIPTS[shells.name]), "different": 0, "unstable": 0}
    assert {key: suite[key] for key in wanted} == wanted


def test_a_wrapper_that_loses_an_argument_is_found_out(
    shells: ShellSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_clumsy_wrapper(_source: Path, program: Path) -> None:
        program.write_text(CLUMSY_WRAPPER, encoding="utf-8")
        program.chmod(0o755)

    monkeypatch.setattr("shellbuild.conformance.run.compile_program", write_clumsy_wrapper)
    result = run(shells, tmp_path / "work", SCRIPTS[shells.name][:1])
    different = result.having(Verdict.DIFFERENT)
    assert different
    assert {one.way for script in different for one in script.differences} == {Way.WRAPPED}
    with pytest.raises(ConformanceError, match="differs: wrapped"):
        report([result], tmp_path / "conformance.json")
