"""A suite run three ways and compared, with tiny scripts and shells in place of the real ones."""

import json
import os
import select

import pytest

from integration.fake_suite import PATCHED, UNPATCHED, FakeSuite, make_shells, make_wrapper
from shellbuild.conformance.model import Verdict, Way
from shellbuild.conformance.reporting import report
from shellbuild.conformance.run import compare
from shellbuild.errors import ConformanceError, StepError, UsageError


@pytest.fixture(autouse=True)
def no_compiler_and_own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("shellbuild.conformance.run.compile_program", make_wrapper)


@pytest.fixture
def run(tmp_path):
    def run_scripts(scripts, *, unstable=None, suite=None, only=(), patched=PATCHED):
        shells = make_shells(tmp_path, scripts, patched=patched)
        work = tmp_path / "work"
        return compare(suite or FakeSuite(), shells, unstable=unstable or {}, jobs=1, work=work, only=only)

    return run_scripts


def verdicts(result):
    return {script.script: script.verdict for script in result.scripts}


def the_fault(result, tmp_path):
    with pytest.raises(ConformanceError) as caught:
        report([result], tmp_path / "conformance.json")
    return str(caught.value)


def test_scripts_that_print_the_same_are_the_same(run, tmp_path):
    result = run({"a.sh": "echo a; exit 3", "b.sh": "echo b >&2"})
    assert verdicts(result) == {"a.sh": Verdict.SAME, "b.sh": Verdict.SAME}
    assert [script.runs for script in result.scripts] == [4, 4]
    report([result], tmp_path / "conformance.json")


@pytest.mark.parametrize(
    "script",
    [
        "echo $FLAVOUR",
        "echo $FLAVOUR >&2",
        '[ "$FLAVOUR" = unpatched ]',
        '[ "$FLAVOUR" = unpatched ] || kill -TERM $$',
        "echo $FLAVOUR >../record/raw",
    ],
)
def test_another_output_or_status_is_a_difference(run, tmp_path, script):
    result = run({"a.sh": script})
    assert verdicts(result) == {"a.sh": Verdict.DIFFERENT}
    assert {one.way for one in result.scripts[0].differences} == {Way.PATCHED, Way.WRAPPED}
    assert "a.sh differs" in the_fault(result, tmp_path)


def test_a_difference_under_the_wrapper_alone_is_found_and_shown(run, tmp_path):
    result = run({"a.sh": 'echo one; [ "$FLAVOUR" = wrapped ] && echo "lost: $EXEC_WRAPPER"; echo two'})
    (difference,) = result.scripts[0].differences
    assert difference.way is Way.WRAPPED
    text = difference.diff.read_text(encoding="utf-8")
    assert f"+lost: {tmp_path}/work/programs/passthrough" in text
    assert "--- unpatched" in text
    assert str(difference.diff) in the_fault(result, tmp_path)


def test_output_that_is_no_text_is_compared_byte_by_byte(run):
    result = run({"a.sh": r"""[ $FLAVOUR = wrapped ] && printf '\377\200' || printf '\377\201'"""})
    assert verdicts(result) == {"a.sh": Verdict.DIFFERENT}


def test_an_unstable_script_is_told_apart_from_a_different_one(run, tmp_path):
    result = run({"a.sh": "od -An -N8 -tx1 /dev/urandom"})
    assert verdicts(result) == {"a.sh": Verdict.UNSTABLE}
    assert result.unlisted == result.scripts
    fault = the_fault(result, tmp_path)
    assert "a.sh is unstable" in fault
    assert "releases.1.0.unstable_tests" in fault
    assert "differs" not in fault


def test_an_unstable_script_that_the_recipe_lists_is_accepted(run, tmp_path):
    result = run({"a.sh": "od -An -N8 -tx1 /dev/urandom"}, unstable={"a.sh": "prints random bytes"})
    assert verdicts(result) == {"a.sh": Verdict.UNSTABLE}
    assert result.scripts[0].note == "prints random bytes"
    report([result], tmp_path / "conformance.json")


def test_a_listed_script_that_only_the_patch_changes_is_still_different(run):
    result = run({"a.sh": "echo $FLAVOUR"}, unstable={"a.sh": "it is said to vary"})
    assert verdicts(result) == {"a.sh": Verdict.DIFFERENT}


@pytest.mark.parametrize("spoilt", [1, 2, 3, 4])
def test_a_run_that_noise_spoilt_is_tried_again_and_reported_so(run, tmp_path, spoilt):
    count = tmp_path / "count"
    count.touch()
    script = f"echo x >>{count}; [ $(wc -l <{count}) = {spoilt} ] && echo noise; exit 0"
    result = run({"a.sh": script})
    assert verdicts(result) == {"a.sh": Verdict.SAME}
    assert result.retried == result.scripts
    assert result.scripts[0].note == "after 2 more rounds"
    assert result.scripts[0].runs == 10


def test_a_script_that_hangs_in_one_way_only_is_different(run):
    suite = FakeSuite(deadline_s=1.0)
    result = run({"a.sh": '[ "$FLAVOUR" = wrapped ] && sleep 60; echo done'}, suite=suite)
    assert verdicts(result) == {"a.sh": Verdict.DIFFERENT}
    (difference,) = result.scripts[0].differences
    assert (difference.unpatched_status, difference.status) == (0, None)


def test_a_script_that_hangs_in_every_way_proves_nothing(run, tmp_path):
    result = run({"a.sh": "sleep 60"}, suite=FakeSuite(deadline_s=0.3))
    assert "does not end before its deadline" in the_fault(result, tmp_path)
    assert result.scripts[0].runs == 4


def test_every_way_of_a_script_has_the_same_paths_and_a_clean_folder(run):
    script = """
    # A digest, because the name of the slot itself is hidden.
    { pwd; echo $HOME $TMPDIR $SHELL_UNDER_TEST; } | cksum
    ls -A . "$HOME" "$TMPDIR"
    cat a.sh | cksum
    touch litter "$HOME/litter" "$TMPDIR/litter"
    echo changed >>b.sh
    """
    assert set(verdicts(run({"a.sh": script, "b.sh": "cat b.sh"})).values()) == {Verdict.SAME}


def test_ways_that_run_side_by_side_are_compared_with_the_slot_hidden(run):
    suite = FakeSuite(side_by_side=frozenset({"a.sh"}))
    assert verdicts(run({"a.sh": "pwd; echo $TMPDIR"}, suite=suite)) == {"a.sh": Verdict.SAME}


def test_the_pid_of_the_script_can_be_hidden(run):
    assert verdicts(run({"a.sh": "echo pid $$"})) == {"a.sh": Verdict.SAME}


def test_only_some_scripts_can_be_run(run):
    assert list(verdicts(run({"a.sh": "", "b.sh": "exit 1"}, only=["b.sh"]))) == ["b.sh"]


def test_an_unknown_script_is_refused_with_the_known_ones(run):
    with pytest.raises(UsageError, match=r"no c\.sh; its scripts are a\.sh"):
        run({"a.sh": ""}, only=["c.sh"])


def test_a_listed_script_that_the_suite_does_not_have_is_a_fault(run, tmp_path):
    fault = the_fault(run({"a.sh": ""}, unstable={"gone.sh": "varies"}), tmp_path)
    assert "unstable_tests.gone.sh: the suite has no such script" in fault


def test_more_than_three_listed_scripts_are_a_fault(run, tmp_path):
    names = {f"{name}.sh": "" for name in "abcd"}
    fault = the_fault(run(names, unstable=dict.fromkeys(names, "varies")), tmp_path)
    assert "at most 3" in fault


def test_a_listed_script_without_a_reason_is_a_fault(run, tmp_path):
    assert "a.sh: no reason given" in the_fault(run({"a.sh": ""}, unstable={"a.sh": " "}), tmp_path)


def test_a_suite_without_scripts_is_a_fault(run, tmp_path):
    fault = the_fault(run({}), tmp_path)
    assert "no script was run" in fault
    assert "holds no script" in fault


def test_an_unpatched_shell_in_the_place_of_the_patched_one_is_refused(run):
    with pytest.raises(ConformanceError, match="patched is an unpatched shell"):
        run({"a.sh": ""}, patched=UNPATCHED)


def test_shells_of_two_versions_are_refused(run):
    odd = PATCHED.replace("export FLAVOUR", 'export FLAVOUR; [ "$2" = "echo 1" ] && exec echo 2', 1)
    with pytest.raises(ConformanceError, match="two versions"):
        run({"a.sh": ""}, patched=odd)


def test_a_shell_that_does_not_start_is_refused_with_its_path(run):
    with pytest.raises(ConformanceError, match="patched does not work"):
        run({"a.sh": ""}, patched="#!/nowhere/sh\n")


def test_an_error_ends_what_runs_and_leaves_no_slot(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    scripts = {
        # The second script breaks its slot only when the first is known to run.
        "a.sh": f"exec 3>{fifo}; echo held >&3; echo go >{tmp_path}/gate; exec sleep 60",
        "b.sh": f"read line <{tmp_path}/gate; kill -KILL $PPID; sleep 60",
    }
    os.mkfifo(tmp_path / "gate")
    shells = make_shells(tmp_path, scripts)
    work = tmp_path / "work"
    with pytest.raises(StepError, match="keeper"):
        compare(FakeSuite(), shells, unstable={}, jobs=1, work=work)
    try:
        poller = select.poll()
        poller.register(reader, select.POLLIN | select.POLLHUP)
        assert poller.poll(10_000)
        assert os.read(reader, 100) == b"held\n"
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
    assert not (work / "slots").exists()


def test_what_a_killed_run_left_does_not_disturb_the_next(tmp_path):
    shells = make_shells(tmp_path, {"a.sh": "echo a"})
    work = tmp_path / "work"
    (work / "slots" / "slot00" / "suite").mkdir(parents=True)
    (work / "differences").mkdir()
    (work / "differences" / "old.diff").touch()
    assert verdicts(compare(FakeSuite(), shells, unstable={}, jobs=1, work=work)) == {"a.sh": Verdict.SAME}
    assert not (work / "differences").exists()


def test_the_report_holds_counts_and_details(run, tmp_path):
    scripts = {"a.sh": "", "b.sh": "echo $FLAVOUR", "c.sh": "od -An -N8 -tx1 /dev/urandom"}
    result = run(scripts, unstable={"c.sh": "random"})
    target = tmp_path / "build" / "conformance.json"
    with pytest.raises(ConformanceError):
        report([result], target)
    document = json.loads(target.read_text(encoding="utf-8"))
    (suite,) = document["suites"]
    counts = {key: suite[key] for key in ("suite", "release", "scripts", "same", "different", "unstable")}
    assert counts == {
        "suite": "fake",
        "release": "1.0",
        "scripts": 3,
        "same": 1,
        "different": 1,
        "unstable": 1,
    }
    assert [one["script"] for one in suite["details"]] == ["b.sh", "c.sh"]
    assert suite["details"][0]["differences"][0]["diff"].endswith("differences/b.sh.patched.diff")
