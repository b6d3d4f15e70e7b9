"""Rules of the workflows that their linters don't know: nothing but sessions is run, every action is pinned."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from shellbuild.release_plan import REGISTRIES as REGISTRIES_OF_A_RELEASE

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALL = "python3 scripts/bootstrap.py "
REGISTRIES = ("pypi" + ".org", "npmjs" + ".com", "npmjs" + ".org", "python" + "hosted", "deb." + "debian")


def values(path, key):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [found[1].strip() for line in lines if (found := re.match(rf"\s*(?:- )?{key}: (.*)$", line))]


def sessions():
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("session" in ast.unparse(one) for one in node.decorator_list)
    }


def test_there_is_a_check_and_a_release():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_they_run_sessions_and_nothing_else(path):
    commands = values(path, "run")
    assert commands
    for command in commands:
        assert command.startswith(CALL)
        named = command.removeprefix(CALL).partition(" -- ")[0].split()
        assert set(named) <= sessions(), command


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_say_their_version(path):
    used = values(path, "uses")
    assert used
    assert [
        one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)
    ] == []


def test_an_action_has_one_pin():
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for one in values(path, "uses"):
            pins.setdefault(one.partition("@")[0], set()).add(one)
    assert [name for name, found in pins.items() if len(found) > 1] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_permitted_that_a_job_does_not_ask_for(path):
    text = path.read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text
    assert "write-all" not in text
    assert "read-all" not in text
    jobs = re.split(r"\n  (?=[a-z-]+:\n)", text.partition("\njobs:\n")[2])
    assert all("    permissions:" in job and "    timeout-minutes:" in job for job in jobs)


def test_all_of_ci_is_done_in_three_quarters_of_an_hour():
    """The jobs run side by side."""
    assert max(map(int, values(ROOT / ".github" / "workflows" / "ci.yml", "timeout-minutes"))) <= 45


def test_ci_checks_style_units_packages_and_the_whole_build_of_a_foreign_target():
    commands = values(ROOT / ".github" / "workflows" / "ci.yml", "run")
    named = [word for command in commands for word in command.removeprefix(CALL).partition(" -- ")[0].split()]
    assert {"lint", "types", "unit", "packaging", "vendor"} <= set(named)
    [build] = [command for command in commands if " vendor " in f"{command} "]
    table = tomllib.loads((ROOT / "recipes" / "platforms.toml").read_text(encoding="utf-8"))["platform"]
    runners = {row["target"]: row["runner"] for row in table}
    options = build.split()
    assert runners[options[options.index("--target") + 1]] != "ubuntu-24.04"


def test_what_ships_is_built_of_the_source_that_the_dotslash_files_tell_of():
    commands = [command for path in WORKFLOWS for command in values(path, "run")]
    builds = [command for command in commands if " vendor " in f"{command} "]
    assert len(builds) == 2
    assert all("--source distro" in command for command in builds)


def release_jobs():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    found = re.split(r"\n  (?=[a-z-]+:\n)", "\n" + text.partition("\njobs:\n")[2])
    return {job.partition(":")[0]: job for job in found if job.strip()}


def test_a_release_is_made_of_the_commit_that_was_planned():
    refs = {
        name: set(re.findall(r"\n          ref: (.*)", job))
        for name, job in release_jobs().items()
        if "actions/checkout@" in job
    }
    assert refs.pop("plan") == {"refs/tags/${{ env.TAG }}"}
    assert set(map(frozenset, refs.values())) == {frozenset({"${{ needs.plan.outputs.commit }}"})}
    assert [
        name for name in refs if not re.search(r"\n    needs: (?:plan\n|\[plan, )", release_jobs()[name])
    ] == []


def test_a_release_of_a_repository_that_may_not_make_it_ends_with_the_plan():
    plan = release_jobs()["plan"]
    asked = (
        "- if: ${{ !inputs.dry-run }}\n        run: "
        + CALL
        + 'release_plan -- "$TAG" --this-version --from-here'
    )
    assert asked in plan


def test_a_github_release_waits_for_the_success_of_each_registry_of_the_plan():
    """A job that ran out of time is cancelled: it has not failed."""
    (condition,) = re.findall(r"\n    if: (.*?)\n    runs-on:", release_jobs()["github"], re.DOTALL)
    for name in REGISTRIES_OF_A_RELEASE:
        planned = f"contains(fromJSON(needs.plan.outputs.plan).registries, '{name}')"
        assert f"(needs.{name}.result == 'success' || !{planned})" in condition
        assert f"if: ${{{{ {planned} }}}}\n" in release_jobs()[name]
    assert "needs.attest.result == 'success'" in condition
    assert "'failure'" not in condition


def test_an_upload_to_pypi_that_broke_off_can_be_started_again():
    assert "\n          skip-existing: true\n" in release_jobs()["pypi"]


def test_the_report_of_a_release_is_rendered_with_the_figures_of_its_suites():
    figures, build = release_jobs()["figures"], release_jobs()["build"]
    assert re.findall(r"\n            build/(.*)", figures) == ["conformance.json", "tests-unit.xml"]
    assert "needs: [plan, figures]" in build
    assert build.index("name: figures\n          path: build\n") < build.index("report --")


def test_no_file_names_the_host_of_a_package_registry():
    places = [
        "README.md",
        "pyproject.toml",
        "noxfile.py",
        ".github",
        "packaging",
        "dotslash",
        "docs",
        "scripts",
        "recipes",
        "src/shellbuild",
    ]
    files = [
        file for place in places for file in [ROOT / place, *(ROOT / place).rglob("*")] if file.is_file()
    ]
    texts = {
        file: file.read_text(encoding="utf-8", errors="replace") for file in files if file.suffix != ".pyc"
    }
    assert [str(file) for file, text in texts.items() if any(host in text for host in REGISTRIES)] == []
