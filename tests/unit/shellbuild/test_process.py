import os
import sys

import pytest

from shellbuild.errors import StepError
from shellbuild.process import capture, run_logged

ENV = {"PATH": os.environ["PATH"]}


def test_output_of_both_streams_goes_to_the_log(tmp_path):
    log = tmp_path / "logs" / "x.log"
    run_logged(["sh", "-c", "echo out; echo err >&2"], cwd=tmp_path, env=ENV, log=log)
    assert sorted(log.read_text(encoding="utf-8").split()) == ["err", "out"]


def test_a_failure_names_the_status_the_last_lines_and_the_log(tmp_path):
    log = tmp_path / "x.log"
    with pytest.raises(StepError) as caught:
        run_logged(["sh", "-c", "seq 100; exit 3"], cwd=tmp_path, env=ENV, log=log)
    text = str(caught.value)
    assert "status 3" in text
    assert "| 100" in text
    assert "| 1\n" not in text
    assert f"full log: {log}" in text


def test_a_child_past_its_deadline_is_ended_with_its_own_children(tmp_path):
    read, write = os.pipe()
    script = f"sleep 60 & echo started; exec {sys.executable} -c 'import time; time.sleep(60)'"
    os.set_inheritable(write, True)
    with pytest.raises(StepError, match="ran longer"):
        _run_with(write, script, tmp_path)
    os.close(write)
    # End of file proves that nobody holds the other end any more.
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b""


def _run_with(write: int, script: str, folder) -> None:
    # Popen closes inherited descriptors; /proc hands this one over by name.
    keeper = f"exec 9>/proc/{os.getpid()}/fd/{write}; {script}"
    run_logged(["sh", "-c", keeper], cwd=folder, env=ENV, log=folder / "x.log", deadline_s=1)


def test_a_background_child_does_not_outlive_a_step_that_ends_well(tmp_path):
    read, write = os.pipe()
    keeper = f"exec 9>/proc/{os.getpid()}/fd/{write}; sleep 60 >/dev/null 2>&1 & exit 0"
    run_logged(["sh", "-c", keeper], cwd=tmp_path, env=ENV, log=tmp_path / "x.log")
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        assert stream.read() == b""


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StepError, match="no-such-program"):
        run_logged(["no-such-program"], cwd=tmp_path, env=ENV, log=tmp_path / "x.log")
    with pytest.raises(StepError, match="no-such-program"):
        capture(["no-such-program"])


def test_capture_gives_stdout_and_fails_with_stderr():
    assert capture(["sh", "-c", "echo hi"]) == "hi\n"
    with pytest.raises(StepError, match="status 4: broken"):
        capture(["sh", "-c", "echo broken >&2; exit 4"])
