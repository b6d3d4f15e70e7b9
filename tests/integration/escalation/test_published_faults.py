"""What a published program of this kind was seen to get wrong about execs, tried on ours: both shells, both twins.

Each test is a row of the list that the runtime was made against; the row's number is in its name. Rows about output,
the server and the shells themselves are tested where those are.
"""

import os
import shutil

import pytest

from integration.escalation.world import ByName, HeldTime
from shelltool.escalation import Escalate, Run
from shelltool.escalation.keeping import KeeperProgram


def test_row_2_a_script_without_a_shebang_runs_as_in_the_unpatched_shell(twinned):
    """Bash reads it itself, so its commands are judged, too; zsh hands it to /bin/sh."""
    twinned.put("prog", 'id >/dev/null; echo "ran $1"; exit 3\n')
    done = twinned.run("./prog x; echo $?", policy=ByName(denied={"id": "no"}))
    if twinned.shell.name == "bash":
        assert done.output == b"Execution denied: no\nran x\n3\n"
        assert done.names == ["id"]
    else:
        assert done.output == b"ran x\n3\n"
        assert [judged.request.program for judged in done.result.judged][-1] == "/bin/sh"


@pytest.mark.parametrize("escalated", [[], ["prog"]], ids=["run", "escalated"])
def test_row_3_a_missing_interpreter_is_the_shells_own_message_and_status(twinned, escalated):
    twinned.put("prog", "#!/no/such/interpreter\n")
    done = twinned.run("./prog; echo $?", policy=ByName(escalated=escalated))
    assert done.stdout == (b"126\n" if twinned.shell.name == "bash" else b"127\n")
    assert b"./prog: " in done.stderr
    assert b"bad interpreter: " in done.stderr
    assert b"/no/such/interpreter" in done.stderr
    assert done.stderr.lower().endswith(b"no such file or directory\n")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("unset EXEC_WRAPPER BASH_EXEC_WRAPPER; id", id="row 4"),
        pytest.param("EXEC_WRAPPER= BASH_EXEC_WRAPPER= id", id="row 5"),
        pytest.param("unset CODEX_ESCALATE_SOCKET; id", id="row 7"),
    ],
)
def test_rows_4_5_and_7_tampering_with_the_variables_changes_nothing(twinned, script):
    assert twinned.run(script, policy=ByName(denied={"id": "no"})).output == b"Execution denied: no\n"
    assert twinned.run(script).stdout.startswith(b"uid=")


@pytest.mark.parametrize("escalated", [[], ["env"]], ids=["run", "escalated"])
def test_row_6_exec_c_runs_with_an_empty_environment_and_judged(twinned, escalated):
    done = twinned.run("A=1; export A; exec -c /usr/bin/env", policy=ByName(escalated=escalated))
    assert done.result.exit_code == 0
    assert done.names == ["env"]
    assert b"A=1" not in done.stdout


def test_row_8_an_escalated_command_has_every_descriptor(twinned):
    twinned.put("file", "from the file\n")
    done = twinned.run("cat <(echo x); cat /dev/fd/3 3<file", policy=ByName(escalated=["cat"]))
    assert (done.output, done.outcomes) == (b"x\nfrom the file\n", [Escalate(even_if_writable=True)] * 2)


def test_row_9_an_escalated_command_that_dies_of_a_signal_gives_128_and_its_number(twinned):
    done = twinned.run("sh -c 'kill -TERM $$'; echo $?", policy=ByName(escalated=["sh"]))
    assert done.stdout == b"143\n"


@pytest.mark.parametrize("escalated", [[], ["sh"]], ids=["run", "escalated"])
def test_rows_10_and_11_bytes_that_are_not_utf8_arrive_unchanged(twinned, escalated):
    script = r"""X=$'<\xff>' sh -c 'printf %s "$1$X"' sh $'\xfe'"""
    assert twinned.run(script, policy=ByName(escalated=escalated)).output == b"\xfe<\xff>"


def test_row_12_an_escalated_command_has_the_callers_umask_and_limits(twinned):
    script = "umask 077; ulimit -n 64; sh -c 'umask; ulimit -n; ulimit -Hn'"
    assert twinned.run(script, policy=ByName(escalated=["sh"])).output.split()[:2] == [b"0077", b"64"]


def test_row_13_a_call_that_times_out_in_an_escalated_command_keeps_its_output_and_leaves_nothing(twinned):
    done = twinned.run(
        "echo so far; sleep 30",
        policy=ByName(escalated=["sleep"]),
        held=HeldTime(b"so far\n"),
        timeout_s=0.3,
    )
    assert (done.result.timed_out, done.stdout) == (True, b"so far\n")
    assert not twinned.left()


def test_row_14_output_comes_in_the_order_written_and_each_stream_by_itself(twinned):
    done = twinned.run("echo 1; echo 2 >&2; /bin/echo 3; /bin/echo 4 >&2; echo 5")
    assert (done.stdout, done.stderr) == (b"1\n3\n5\n", b"2\n4\n")
    if twinned.keeper == KeeperProgram(twinned.wrapper):  # the Python one guesses, where both wait to be read
        assert done.output == b"1\n2\n3\n4\n5\n"


def test_row_15_a_relative_program_is_judged_below_its_callers_directory(twinned):
    twinned.put("below/prog", "#!/bin/sh\necho ran\n")
    done = twinned.run("./prog", workdir=twinned.root / "below")
    assert [judged.request.program for judged in done.result.judged] == [f"{twinned.root}/below/prog"]
    assert done.stdout == b"ran\n"


def test_row_17_a_library_of_the_callers_is_not_preloaded_outside(twinned):
    """What a library that can be loaded does there is in test_escalation_environment.py."""
    script = f"LD_PRELOAD={twinned.root}/evil.so env"
    assert b"LD_PRELOAD" not in twinned.run(script, policy=ByName(escalated=["env"])).stdout
    assert b"LD_PRELOAD" in twinned.run(script).stdout


def test_row_18_a_copy_under_an_allowed_name_is_judged_and_not_escalated(twinned):
    shutil.copy("/usr/bin/id", twinned.root / "git")
    done = twinned.run("./git -u", policy=ByName(escalated=["git"], even_if_writable=False))
    (judged,) = done.result.judged
    assert (judged.decision, judged.outcome) == (Escalate(), Run())
    assert done.stdout == f"{os.geteuid()}\n".encode()
