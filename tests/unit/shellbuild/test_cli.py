import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from shellbuild.cli import main
from shellbuild.errors import UsageError


@pytest.mark.parametrize(
    "command", ["", "build", "fetch", "conformance", "check-patches", "refresh-patch", "schema"]
)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(main, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_an_error_is_one_line_on_stderr_with_its_own_status():
    result = CliRunner().invoke(main, ["build", "bash", "--target", "vax"])
    assert result.exit_code == UsageError.exit_code
    assert result.stdout == ""
    assert "error: no target 'vax'" in result.stderr


@pytest.mark.parametrize(
    ("module", "heavy"), [("shellbuild.cli", ("requests", "pydantic")), ("shellbuild.builder", ("requests",))]
)
def test_what_a_cached_build_imports_is_light(module, heavy):
    program = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
