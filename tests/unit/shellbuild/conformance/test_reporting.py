import json

import pytest

from shellbuild.conformance.model import ScriptResult, SuiteResult, Verdict
from shellbuild.conformance.reporting import report
from shellbuild.errors import ConformanceError


def script(name, verdict=Verdict.SAME, **more):
    return ScriptResult(script=name, verdict=verdict, runs=4, **more)


def suite(*scripts, **more):
    return SuiteResult(name="bash", release="5.3", scripts=scripts, seconds=12.3, **more)


def test_the_table_has_a_row_a_suite(tmp_path, capsys):
    results = [suite(script("a"), script("b", Verdict.UNSTABLE, listed=True, note="why"))]
    report(results, tmp_path / "conformance.json")
    shown = capsys.readouterr().err
    assert shown.splitlines()[1].split() == [
        "suite",
        "scripts",
        "same",
        "different",
        "unstable",
        "retried",
        "seconds",
    ]
    assert shown.splitlines()[2].split() == ["bash", "5.3", "2", "1", "0", "1", "0", "12"]
    assert str(tmp_path / "conformance.json") in shown


def test_every_fault_of_every_suite_is_named_at_once(tmp_path):
    results = [
        suite(script("a", Verdict.DIFFERENT)),
        suite(
            script("b", Verdict.UNSTABLE, note="varies"), problems=("unstable_tests.x: the suite has none",)
        ),
    ]
    with pytest.raises(ConformanceError) as caught:
        report(results, tmp_path / "conformance.json")
    text = str(caught.value)
    assert all(word in text for word in ("a differs", "b is unstable: varies", "unstable_tests.x"))
    assert caught.value.exit_code == 17


def test_nothing_compared_is_no_success(tmp_path):
    with pytest.raises(ConformanceError, match="no suite was run"):
        report([], tmp_path / "conformance.json")


def test_scripts_that_needed_a_retry_are_counted_and_named(tmp_path):
    report([suite(script("a", note="after 2 more rounds"), script("b"))], tmp_path / "conformance.json")
    (written,) = json.loads((tmp_path / "conformance.json").read_text(encoding="utf-8"))["suites"]
    assert (written["same"], written["retried"]) == (2, ["a"])
    assert [one["script"] for one in written["details"]] == ["a"]


def test_the_report_replaces_an_older_one_whole(tmp_path):
    target = tmp_path / "conformance.json"
    target.write_text("{" * 100_000, encoding="utf-8")
    report([suite(script("a"))], target)
    assert json.loads(target.read_text(encoding="utf-8"))["format"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["conformance.json"]
