import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from shelltool.execpolicy.cli import main


@pytest.fixture
def check(in_process, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(text, *arguments):
        (tmp_path / "p.rules").write_text(text, encoding="utf-8")
        return CliRunner().invoke(main, ["check", *arguments])

    return run


def test_words_after_the_program_are_the_commands_own_even_if_they_look_like_ours(check):
    result = check('prefix_rule(["git", "--pretty"])', "-r", "p.rules", "git", "--pretty", "--rules", "x")
    assert json.loads(result.stdout)["decision"] == "allow"
    assert result.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["ls"], ["-r", "p.rules"], ["-r", "p.rules", "--nonsense", "ls"], ["-r"]]
)
def test_a_command_line_that_makes_no_sense_has_status_2(check, arguments):
    result = check("", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_command_that_is_not_text_is_refused(check):
    result = check("", "-r", "p.rules", os.fsdecode(b"\xff"))
    assert (result.exit_code, "not valid UTF-8" in result.stderr) == (2, True)


def test_a_file_that_is_missing_is_reported_as_unreadable(check):
    result = check("", "-r", "missing.rules", "ls")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: failed to read policy at missing.rules\n\nCaused by:\n    No such file or directory (os error 2)\n"
    )


def test_the_first_broken_file_in_order_is_the_one_reported(check, tmp_path):
    (tmp_path / "q.rules").write_text("fail('second')", encoding="utf-8")
    result = check("fail('first')", "-r", "p.rules", "-r", "q.rules", "ls")
    assert "fail: first" in result.stderr
    assert "fail: second" not in result.stderr


def test_a_path_that_is_a_folder_is_reported(check, tmp_path):
    result = check("", "-r", str(tmp_path), "ls")
    assert (result.exit_code, "Is a directory (os error 21)" in result.stderr) == (1, True)


def test_the_example_of_the_documentation_is_true(check):
    page = (Path(__file__).parents[4] / "docs" / "execpolicy.md").read_text(encoding="utf-8")
    rules = page.partition("```python\n")[2].partition("```")[0]
    command, answer = page.partition("```console\n$ codex-execpolicy check --rules default.rules ")[2].split(
        "\n"
    )[:2]
    assert check(rules, "--rules", "p.rules", *command.split()).stdout == answer + "\n"


def test_the_help_shows_each_example_on_a_line_of_its_own():
    shown = CliRunner().invoke(main, ["check", "--help"]).stdout
    assert "\\b" not in shown
    assert (
        "\n    codex-execpolicy check -r a.rules -r b.rules --resolve-host-executables /usr/bin/git status\n"
        in shown
    )


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_it_tells_its_version_as_the_other_programs_do(option):
    result = CliRunner().invoke(main, [option])
    assert (result.exit_code, result.stdout.split()[0]) == (0, "codex-execpolicy")
