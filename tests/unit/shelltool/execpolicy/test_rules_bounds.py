"""What a hostile rules file can't do. These use real child processes, with lower limits than usual."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shelltool.errors import RulesFileError
from shelltool.execpolicy import evaluation
from shelltool.execpolicy.evaluation import evaluate
from shelltool.execpolicy.limits import Limits
from shelltool.execpolicy.loading import evaluate_files

ENDLESS_LOOP = "def f():\n  for i in range(1 << 30): pass\n\nf()\n"
# One operation of the library that takes ever longer, so that no step is ever counted.
ENDLESS_OPERATION = "x = 3\nfor i in range(60): x = x * x\n"


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading_id()}/children").read_text(encoding="ascii").split())


def threading_id() -> str:
    return Path("/proc/thread-self").resolve().name


def test_a_child_gives_back_the_statements_with_their_lines():
    (statement,) = evaluate("x.rules", '\nprefix_rule(["a", ["b", "c"]], "prompt")')
    assert (statement.kind, statement.line) == ("prefix_rule", 2)


def test_a_loop_ends_at_the_same_step_on_every_machine():
    with pytest.raises(RulesFileError) as caught:
        evaluate("x.rules", ENDLESS_LOOP, Limits(steps=100))
    assert (caught.value.line, caught.value.sentence.partition(":")[0]) == (
        2,
        "evaluation takes too many steps",
    )


def test_a_million_rounds_are_fine():
    assert len(evaluate("x.rules", 'x = [i for i in range(1000000)]\nprefix_rule(["a"])')) == 1


@pytest.mark.parametrize(
    ("text", "limits", "end"),
    [
        (ENDLESS_OPERATION, Limits(cpu_seconds=1, seconds=50), "signal 9"),
        (ENDLESS_OPERATION, Limits(cpu_seconds=50, seconds=1), "signal 14"),
        ('x = "a"\nfor i in range(28): x = x + x', Limits(memory_bytes=128 << 20), "crashed"),
        ("p = []\nfor i in range(100000):\n  p = [p]\nprefix_rule(p)", Limits(), "signal 11"),
        ("x = " + "-" * 900_000 + "1", Limits(), "signal 11"),
    ],
    ids=["cpu time", "wall-clock time", "memory", "deep value", "deep syntax"],
)
def test_a_file_that_takes_more_than_it_may_is_broken_and_leaves_no_process(text, limits, end, monkeypatch):
    monkeypatch.setattr(evaluation, "_GRACE_SECONDS", 30)  # for its own alarm to come first on a busy machine
    before = children()
    started = time.monotonic()
    with pytest.raises(RulesFileError, match=f"ran out of its limits or .*{end}"):
        evaluate("x.rules", text, limits)
    assert time.monotonic() - started < 60
    assert children() == before


def test_the_child_ends_by_itself_when_nobody_waits_for_it():
    limits = Limits(seconds=1, cpu_seconds=100)._asdict()
    request = json.dumps({"name": "x", "text": ENDLESS_OPERATION, "limits": limits})
    command = [sys.executable, "-c", evaluation._BOOT, *evaluation._import_folders()]
    done = subprocess.run(command, input=request.encode(), capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_child_that_ignores_its_alarm_is_killed(monkeypatch):
    monkeypatch.setattr(evaluation, "_BOOT", "import time; time.sleep(600)")
    monkeypatch.setattr(evaluation, "_GRACE_SECONDS", 0.1)
    with pytest.raises(RulesFileError, match="signal 9"):
        evaluate("x.rules", "", Limits(seconds=0))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("raise SystemExit(3)", "status 3"),
        ("pass", "gave an answer that is none"),
        ("print('{}')", "gave an answer that is none"),
        ("print('not json')", "gave an answer that is none"),
        (
            """print('{"statements":[{"kind":"prefix_rule","line":1,"pattern":[[]]}]}')""",
            "gave an answer that is none",
        ),
    ],
)
def test_an_answer_that_makes_no_sense_is_never_taken_for_rules(monkeypatch, reply, message):
    monkeypatch.setattr(evaluation, "_BOOT", reply)
    with pytest.raises(RulesFileError, match=message):
        evaluate("x.rules", "")


def test_a_child_that_writes_without_end_is_stopped(monkeypatch):
    boot = evaluation._BOOT.replace("main()", "confine(Limits(output_bytes=1000)); print('x' * 100000)")
    boot = boot.replace("import main;", "import confine, Limits;")
    monkeypatch.setattr(evaluation, "_BOOT", boot)
    with pytest.raises(RulesFileError, match="ran out of its limits"):
        evaluate("x.rules", "")


def test_a_child_that_can_not_be_started_makes_the_file_broken(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(RulesFileError, match="could not be started"):
        evaluate("x.rules", "")


def test_the_child_sees_nothing_of_our_environment(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    boot = 'import os; print(\'{"problem":{"line":null,"detail":"","sentence":"\' + \' \'.join(os.environ) + \'"}}\')'
    monkeypatch.setattr(evaluation, "_BOOT", boot)
    with pytest.raises(RulesFileError) as caught:
        evaluate("x.rules", "")
    assert "SECRET" not in caught.value.sentence
    assert "PYTHONSTARTUP" not in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "limits", "message"),
    [
        (
            "[prefix_rule([str(i)]) for i in range(11)]",
            Limits(statements=10),
            "more than 10 rules in one file",
        ),
        ('prefix_rule(["a" * 1000])', Limits(characters=1000), "more than 1000 characters of rules"),
    ],
)
def test_the_number_and_size_of_rules_is_bounded(text, limits, message):
    with pytest.raises(RulesFileError, match=message):
        evaluate("x.rules", text, limits)


def test_examples_times_rules_are_bounded(policy):
    names = "[str(i) for i in range(1000)]"
    with pytest.raises(RulesFileError, match="comparisons of examples"):
        policy(f"prefix_rule([{names}], match = {names})")


def test_files_behind_the_end_of_loading_are_broken_and_not_skipped(tmp_path):
    (outcome,) = evaluate_files([tmp_path / "x.rules"], Limits(total_seconds=0))
    assert isinstance(outcome, RulesFileError)
    assert "loading all rules took more than 0 s" in outcome.sentence
