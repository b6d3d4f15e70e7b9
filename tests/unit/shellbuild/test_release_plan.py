"""Tags become plans, or are refused with the reason."""

import json
import re

import pytest
from click.testing import CliRunner
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from shellbuild.cli import main
from shellbuild.errors import ReleaseError
from shellbuild.matrix import job_matrix
from shellbuild.project import load_project
from shellbuild.release_plan import default_tag, plan_release
from shellbuild.version import project_version

TARGETS = list(load_project().platforms)


def test_a_stable_tag_is_the_latest():
    plan = plan_release("v1.2.3").as_json()
    assert plan["version"] == plan["pep440_version"] == "1.2.3"
    assert (plan["dist_tag"], plan["prerelease"], plan["publish"]) == ("latest", False, True)
    assert plan["files"]["npm"] == ["codex-shell-tool-mcp-npm-1.2.3.tgz"]


def test_an_alpha_tag_is_no_ones_default():
    plan = plan_release("v1.2.3-alpha.4").as_json()
    assert (plan["version"], plan["pep440_version"]) == ("1.2.3-alpha.4", "1.2.3a4")
    assert (plan["dist_tag"], plan["prerelease"], plan["publish"]) == ("alpha", True, True)
    assert plan["files"]["npm"] == ["codex-shell-tool-mcp-npm-1.2.3-alpha.4.tgz"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_is_released_on_its_own(shell):
    plan = plan_release(f"codex-{shell}-v5.3.0").as_json()
    assert (plan["product"], plan["version"], plan["registries"]) == (f"codex-{shell}", "5.3.0", [])
    assert plan["files"] == {
        "archives": [f"codex-{shell}-5.3.0-{target}.tar.gz" for target in TARGETS],
        "sources": [f"codex-{shell}-5.3.0-source.tar.gz"],
        "functions": ["codex-zsh-functions-5.3.0.tar.gz"] if shell == "zsh" else [],
        "sbom": [f"codex-{shell}-5.3.0.cdx.json"],
        "checksums": ["SHA256SUMS"],
        "report": ["report.html"],
    }


def test_there_is_an_archive_a_shell_and_target_and_a_wheel_a_target():
    files = plan_release("v1.2.3").files()
    assert len(files["archives"]) == 2 * len(TARGETS)
    assert len(files["wheels"]) == len(TARGETS) + 1
    names = {str(parse_wheel_filename(name)[0]) for name in files["wheels"]}
    assert names == {parse_sdist_filename(files["sdist"][0])[0]} == {"codex-shell-tool-mcp"}


@pytest.mark.parametrize(
    "tag", ["1.2.3", "release-1.2.3", "codex-bash-1.2.3", "codex-fish-v1.2.3", "", "V1.2.3"]
)
def test_tags_that_are_not_ours_are_told_what_ours_are(tag):
    with pytest.raises(
        ReleaseError, match=re.escape(f"tag {tag!r} is none of ours: they are codex-bash-vX.Y.Z")
    ):
        plan_release(tag)


@pytest.mark.parametrize("tag", ["v1.2.3-beta.1", "v1.2", "codex-zsh-v5.9", "v", "v1.2.3-alpha.4-dirty"])
def test_tags_of_other_versions_are_refused(tag):
    with pytest.raises(ReleaseError, match="is not released") as caught:
        plan_release(tag)
    assert caught.value.__cause__


def test_a_release_can_insist_on_the_checkouts_own_version():
    assert plan_release(default_tag(), only_this_version=True).version == project_version()
    with pytest.raises(ReleaseError, match=r"change `version` in pyproject\.toml"):
        plan_release("v99.0.0", only_this_version=True)
    assert plan_release("codex-bash-v99.0.0", only_this_version=True)


def test_the_command_prints_json_and_nothing_else():
    result = CliRunner().invoke(main, ["release-plan", "v1.2.3"])
    assert json.loads(result.stdout)["version"] == "1.2.3"
    assert result.exit_code == 0


def test_the_command_refuses_with_its_own_status():
    result = CliRunner().invoke(main, ["release-plan", "v1.2.3-rc.1"])
    assert (result.exit_code, result.stdout) == (ReleaseError.exit_code, "")
    assert "is a release candidate" in result.stderr


def test_the_matrix_has_a_job_for_each_target():
    jobs = job_matrix()["include"]
    assert [job["target"] for job in jobs] == TARGETS
    assert all(job["runner"] for job in jobs)
    assert {job["os"] for job in job_matrix("macos")["include"]} == {"macos"}


def test_results_reach_a_workflow_as_one_line_of_json(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    for name in ("first", "second"):
        assert CliRunner().invoke(main, ["matrix", "--os", "linux", "--output", name]).exit_code == 0
    lines = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    assert [line.partition("=")[0] for line in lines] == ["first", "second"]
    assert json.loads(lines[0].partition("=")[2]) == job_matrix("linux")


def test_an_output_without_a_workflow_is_an_error(monkeypatch):
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    result = CliRunner().invoke(main, ["matrix", "--output", "matrix"])
    assert "GITHUB_OUTPUT is not set" in result.stderr
