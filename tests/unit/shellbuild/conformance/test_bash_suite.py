import pytest

from shellbuild.conformance.bash_suite import SUPPORT_PROGRAMS, BashSuite
from shellbuild.conformance.keeper_client import Keeper
from shellbuild.conformance.model import ShellSet

SUITE = BashSuite()
RUN = "${THIS_SH} ./a.tests > ${BASH_TSTOUT} 2>&1\ndiff ${BASH_TSTOUT} a.right && rm -f ${BASH_TSTOUT}\n"


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "tests").mkdir(parents=True)
    for name in (
        "y.tab.c",
        "config.h.in",
        "patchlevel.h",
        "tests/run-a",
        "tests/run-all",
        "tests/run-minimal",
    ):
        (root / name).touch()
    return root


@pytest.fixture
def run(tmp_path, tree):
    def run_script(script, tests="", right=""):
        for name, text in (("run-a", script), ("a.tests", tests), ("a.right", right)):
            (tree / "tests" / name).write_text(text, encoding="utf-8")
        slot = furnished(tmp_path, tree)
        job = SUITE.job("run-a", slot)
        with Keeper() as keeper:
            ended = keeper.run(job, job.env, slot / "printed")
        raw = job.records[0]
        recorded = raw.read_text(encoding="utf-8") if raw.is_file() else ""
        return ended.status, (slot / "printed").read_text(encoding="utf-8"), recorded

    return run_script


def furnished(tmp_path, tree):
    programs, slot = tmp_path / "programs", tmp_path / "slot"
    programs.mkdir()
    for name in SUPPORT_PROGRAMS:
        (programs / name).touch()
    for name in ("tmp", "home", "record"):
        (slot / name).mkdir(parents=True)
    shells = ShellSet(name="bash", release="1", unpatched=tree, patched=tree, tree=tree, functions=None)
    SUITE.furnish(shells, programs, slot)
    SUITE.shell_place(slot).symlink_to("/bin/sh")
    return slot


def test_the_drivers_are_no_scripts(tree):
    (tree / "tests" / "run-b~").touch()
    assert SUITE.scripts(tree) == ["run-a"]


def test_output_and_status_are_recorded_also_when_they_are_as_upstream_expects(run):
    status, printed, recorded = run(RUN, "echo fine; exit 3", "fine\n")
    assert (status, printed, recorded) == (0, "", "bashtst: status 3\nfine\n")


def test_output_that_upstream_does_not_expect_is_recorded_whole(run):
    status, printed, recorded = run(RUN, r"printf 'odd\0bytes'", "fine\n")
    assert (status, printed, recorded) == (1, "", "bashtst: status 0\nodd\0bytes")


def test_a_script_may_hold_several_results_against_what_is_expected(run, tmp_path):
    script = (
        RUN
        + "${THIS_SH} -c 'echo more; exit 5' > $TMPDIR/x.check\ndiff -a $TMPDIR/x.check a.right\nexit $?\n"
    )
    status, _, recorded = run(script, "echo fine", "fine\n")
    assert status == 1
    assert recorded == "bashtst: status 0\nfine\nx.check: status 5\nmore\n"
    assert not list((tmp_path / "slot" / "tmp").iterdir())


def test_trying_out_whether_diff_knows_an_option_is_no_result(run):
    _, _, recorded = run(
        "( diff -a ./a.right ./a.right >/dev/null 2>&1 ) && echo yes\n" + RUN, "echo 1", "1\n"
    )
    assert recorded == "bashtst: status 0\n1\n"


def test_what_a_script_prints_itself_is_kept_too(run):
    assert run("echo warning >&2; echo $BASH_TSTOUT")[1].startswith("warning\n/")


def test_the_functions_of_the_runner_do_not_reach_the_shell_under_test(run):
    _, _, recorded = run(RUN, "diff ./a.right ./a.right; echo $?; set | grep -c conformance; exit 0", "")
    assert recorded == "bashtst: status 0\n0\n0\n"


def test_only_the_scripts_own_process_group_is_hidden():
    output = b"no process group (71): x\nno process group (72): x\n71\n"
    assert SUITE.normalise(output, 71) == b"no process group (PID): x\nno process group (72): x\n71\n"
