"""A standard stream that is closed or full is one line on stderr and a status of its own, in each of our programs."""

import subprocess
import sys
from pathlib import Path

import pytest

from shelltool.errors import StreamError

SOURCE = Path(__file__).parents[3] / "src"
EXEC_SERVER = "from shelltool.exec_server.cli import main; main()"
MCP_SERVER = "from shelltool.mcp_server.cli import main; main()"
EXECPOLICY = "from shelltool.execpolicy.cli import main; main(prog_name='codex-execpolicy')"
DEADLINE_S = 60


def run(program, redirection, *arguments):
    script = f'exec "$0" -c "$@" {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, program, *arguments],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.mark.parametrize(
    ("program", "name", "arguments"),
    [
        (EXEC_SERVER, "codex-exec-server", ["--listen", "stdio"]),
        (EXEC_SERVER, "codex-exec-server", ["--exit-on-stdin-close"]),
        (MCP_SERVER, "codex-exec-mcp-server", []),
    ],
)
def test_a_server_does_not_start_with_its_stdin_closed(program, name, arguments):
    done = run(program, "<&-", *arguments)
    expected = f"{name}: error: stdin is closed; start the program with it open, be it on /dev/null\n"
    assert (done.returncode, done.stderr) == (StreamError.exit_code, expected)


@pytest.mark.parametrize("program", [EXEC_SERVER, MCP_SERVER])
def test_a_server_does_not_start_with_its_stdout_closed(program):
    done = run(program, ">&-")
    assert (done.returncode, "error: stdout is closed" in done.stderr) == (StreamError.exit_code, True)


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [(">/dev/full", "stdout can't be written: No space left on device"), (">&-", "stdout is closed")],
)
def test_an_answer_about_rules_that_gets_lost_is_an_error(redirection, problem, tmp_path):
    (tmp_path / "a.rules").write_text("", encoding="utf-8")
    done = run(EXECPOLICY, redirection, "check", "-r", str(tmp_path / "a.rules"), "ls")
    assert done.stderr.startswith(f"codex-execpolicy: error: {problem}")
    assert (done.returncode, done.stderr.count("\n")) == (StreamError.exit_code, 1)
