"""The environment of a command, step by step as the policy has it."""

import subprocess
import sys
from pathlib import Path

import pytest

import shelltool
from shelltool.environment import InheritancePolicy, child_environment, inherited

OWN = {
    "PATH": "/bin",
    "home": "/root",
    "LC_CTYPE": "C",
    "EDITOR": "vi",
    "API_KEY": "k",
    "a_secret_b": "s",
    "Token": "t",
    "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN": "n",
}


def names(**policy):
    return set(inherited(OWN, InheritancePolicy(**policy)))


def test_all_is_everything_but_secrets_and_core_is_a_few():
    assert names() == {"PATH", "home", "LC_CTYPE", "EDITOR"}
    assert names(inherit="core") == {"PATH", "home", "LC_CTYPE"}
    assert names(inherit="none") == set()


def test_secrets_stay_where_the_policy_says_so_but_never_the_servers_own():
    assert names(ignore_default_excludes=True) == set(OWN) - {"CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN"}
    assert "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN" not in names(set={"CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN": "x"})


def test_what_is_set_is_not_excluded_but_has_to_be_included():
    given = {"MY_KEY": "1", "other": "2"}
    assert names(inherit="none", set=given, exclude=["*"]) == {"MY_KEY", "other"}
    assert names(set=given, include_only=["my_*", "pat?"]) == {"MY_KEY", "PATH"}


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("EDITOR", True), ("editor", True), ("EDIT", False), ("E*R", True), ("E?ITOR", True), ("*", True), ("[E]DITOR", False), ("EDITOR.", False), ("*D*T*R*", True)],
)  # fmt: skip
def test_patterns_match_whole_names_without_regard_to_case(pattern, matches):
    assert ("EDITOR" not in names(exclude=[pattern])) is matches


def test_a_pattern_of_many_stars_takes_no_time():
    hostile = InheritancePolicy(exclude=["*a" * 20 + "b", "*" * 5000 + "x"])
    assert "PATH" in inherited({**OWN, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": ""}, hostile)


def test_what_is_given_comes_on_top_and_is_never_filtered():
    policy = InheritancePolicy(inherit="core", include_only=["HOME"])
    assert child_environment(OWN, policy, {"API_KEY": "given"}) == {"home": "/root", "API_KEY": "given"}
    assert child_environment(OWN, None, {"A": "1"}) == {"A": "1"}


@pytest.mark.skipif(sys.platform != "linux", reason="what a process was started with is known on Linux only")
@pytest.mark.parametrize("given", [{}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}])
def test_a_locale_that_python_has_set_for_itself_is_forgotten_and_a_given_one_is_not(given):
    shown = (
        "import os, shelltool.environment as e; e.forget_coerced_locale(); print(sorted(os.environ.items()))"
    )
    environment = {"PYTHONPATH": str(Path(shelltool.__file__).parents[1]), **given}
    done = subprocess.run(
        [sys.executable, "-c", shown], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"{sorted(environment.items())}\n"
