import subprocess

import pytest

from shellbuild.builder.ncurses import keep_to_own_terminals
from shellbuild.errors import StepError

SCRIPT = """\
tic_path=echo infocmp_path=echo
TERMINFO=$PWD/own
$tic_path "$tic_path" >/dev/null
"$tic_path" -x "$1"
for x in one; do "$infocmp_path" -E "$x"; "$infocmp_path" -e "$x"; done
"""
"""The lines of upstream's script that matter."""


def test_fallback_terminals_are_written_to_the_build_folder_and_read_from_there(tmp_path):
    script = tmp_path / "MKfallback.sh"
    script.write_text(SCRIPT, encoding="utf-8")
    keep_to_own_terminals(script)
    done = subprocess.run(
        ["/bin/sh", "-e", script, "terminfo.src"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    own = tmp_path / "own"
    assert done.stdout.splitlines() == [f"-o {own} -x terminfo.src", f"-A {own} -E one", f"-A {own} -e one"]


def test_another_script_than_we_know_is_refused(tmp_path):
    script = tmp_path / "MKfallback.sh"
    script.write_text(SCRIPT.replace("-x", "-v"), encoding="utf-8")
    with pytest.raises(StepError, match=r"MKfallback\.sh: expected"):
        keep_to_own_terminals(script)
