"""Which skips count as failures where TESTS_MUST_RUN is set (tests/conftest.py)."""

import subprocess
import sys

import pytest

from shellbuild.project import ROOT

TESTS = """
import pytest
from excuses import machine

def test_that_lacks_a_program():
    pytest.skip("gcc is not installed")

def test_that_this_kernel_forbids():
    pytest.skip(machine("no user namespaces"))

@pytest.mark.skipif(True, reason=machine("only root can"))
def test_for_root():
    pass

@pytest.mark.skipif(True, reason="npm is not installed")
def test_with_npm():
    pass
"""


@pytest.mark.parametrize(
    ("must", "ends"), [({}, "4 skipped"), ({"TESTS_MUST_RUN": "1"}, "1 failed, 2 skipped, 1 error")]
)
def test_a_missing_program_is_a_failure_and_a_kernel_that_forbids_is_not(tmp_path, must, ends):
    (tmp_path / "test_inner.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-rs",
        "--rootdir",
        tmp_path,
        tmp_path,
    ]
    done = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "tests"), **must},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f" {ends} in " in done.stdout, done.stdout
    assert "not on this machine: no user namespaces" in done.stdout
