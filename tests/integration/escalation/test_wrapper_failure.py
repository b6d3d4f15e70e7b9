"""An exec that fails after Run looks as in the shell: both wrappers, both shells."""

import re
import subprocess

import pytest

from integration.escalation.asked import DEADLINE_S
from integration.escalation.world import NO_STARTUP_FILES


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize(
    "case", ["missing", "folder", "forbidden", "no interpreter", "script", "binary", "empty"]
)
def test_an_exec_that_fails_looks_as_in_the_shell(ask, shell_named, tmp_path, name, case):
    target = tmp_path / "prog"
    content = {
        "forbidden": b"echo ran\n",
        "no interpreter": b"#!/no/such/thing -x\necho ran\n",
        "script": b'echo "ran $0 $1"\nexit 3\n',
        "binary": b"\x7fELF\0\0\0",
        "empty": b"",
    }.get(case)
    if content is not None:
        target.write_bytes(content)
        target.chmod(0o644 if case == "forbidden" else 0o755)
    elif case == "folder":
        target.mkdir()
    shell = shell_named(name).unpatched
    native = subprocess.run(
        [shell, *NO_STARTUP_FILES[name], "-c", '"$@"', name, target, "arg"],
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    asked = ask(target, target, "arg", through=shell).answer({"action": "Run"})
    status, stdout, stderr = asked.end()
    assert (status, stdout) == (native.returncode, native.stdout)
    assert stderr == re.sub(
        rb"^(?:\S*/)?(bash|zsh): line \d+: |^(?:\S*/)?(zsh):\d+: ", _shell_name, native.stderr
    )


def _shell_name(match: re.Match[bytes]) -> bytes:
    return (match[1] or match[2]) + b": "
