"""The command line, and a start that is quick because little is imported."""

import os
import subprocess
import sys

import pytest

from shelltool.mcp_server import cli

DEADLINE_S = 60
NEVER_IMPORTED = (
    "starlette",
    "uvicorn",
    "httpx2",
    "jsonschema",
    "mcp.client",
    "mcp.server",
    "rich",
    "websockets",
)


def python(script):
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run(capsys, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["codex-exec-mcp-server", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    captured = capsys.readouterr()
    return caught.value.code, captured.out, captured.err


def test_help_shows_every_option(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for option in ("--bash", "--zsh", "--shell", "--execve", "--preserve-program-paths", "--version"):
        assert option in out


def test_version_is_one_line_of_name_and_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    name, version = out.split()
    assert name == "codex-exec-mcp-server"
    assert version


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--shell", "fish"], ["--bash"], ["surplus"]])
def test_a_command_line_that_makes_no_sense_is_status_2(capsys, arguments):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err


def test_a_shell_that_is_not_there_is_named(capsys, tmp_path):
    status, out, err = run(capsys, "--bash", tmp_path / "no-bash", "--execve", "/bin/true")
    assert (status, out) == (61, "")
    assert err == f"codex-exec-mcp-server: error: --bash: {tmp_path / 'no-bash'} is not an executable file\n"


def test_an_unpatched_shell_is_refused(capsys):
    status, out, err = run(capsys, "--bash", "/bin/bash", "--execve", "/bin/true")
    assert (status, out) == (62, "")
    assert "/bin/bash does not know EXEC_WRAPPER" in err


def test_the_server_imports_only_what_it_needs_of_the_sdk():
    script = (
        "import sys\n"
        "from shelltool.mcp_server.sdk import import_lean\n"
        "import_lean()\n"
        "import shelltool.mcp_server.server\n"
        "print(*sys.modules)\n"
    )
    imported = set(python(script).split())
    assert "mcp.shared.jsonrpc_dispatcher" in imported
    assert [name for name in NEVER_IMPORTED if name in imported] == []


def test_the_command_line_imports_none_of_it_before_it_knows_what_to_do():
    imported = set(python("import sys, shelltool.mcp_server.cli; print(*sys.modules)").split())
    assert {"mcp", "mcp_types", "pydantic", "asyncio"} & imported == set()


def test_a_process_that_has_the_sdk_keeps_it():
    script = (
        "import mcp\n"
        "from shelltool.mcp_server.sdk import import_lean\n"
        "import_lean()\n"
        "import shelltool.mcp_server.server, sys\n"
        "print(sys.modules['mcp'] is mcp, mcp.Client.__name__)\n"
    )
    assert python(script) == "True Client\n"
