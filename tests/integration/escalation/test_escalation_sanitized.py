"""The helper's own tests again, with it compiled under AddressSanitizer and UBSan: no report, and no test that fails."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

NATIVE = Path(__file__).parents[3] / "native"
COMPILE_S = 120
SUITE_S = 560
SANITIZERS = {"address": "asan", "undefined": "ubsan"}
"""Each in a run of its own: together, only one of them writes where it is told to."""

OPTIONS = "log_path={reports}/report:exitcode=99:detect_leaks=0:disable_coredump=0"
"""No leak check: a wrapper becomes its command, with all that it has allocated."""

PARTS = (
    "test_wrapper_question.py",
    "test_wrapper_answer.py",
    "test_wrapper_failure.py",
    "test_wrapper_escalation.py",
    "test_escalation_descriptors.py",
    "test_escalation_faithful.py",
    "test_escalation_hostile.py",
    "test_escalation_keeper.py",
    "test_escalation_output.py",
)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Where the sanitizers write, whatever the tests do with stderr."""
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


@pytest.fixture
def compile_sanitized(tmp_path: Path, reports: Path) -> Callable[[Path, str], Path]:
    """Compile the helper with the options inside: the tests give their processes environments of their own."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no gcc, which has the sanitizers' libraries")
    options = tmp_path / "options.c"
    text = OPTIONS.format(reports=reports)
    helper = tmp_path / "codex-execve-wrapper"
    warnings = ["-Wall", "-Wextra", "-Werror"]

    def compile_from(folder: Path, sanitizer: str) -> Path:
        name = f"__{SANITIZERS[sanitizer]}_default_options"
        options.write_text(f'const char *{name}(void) {{ return "{text}"; }}\n', encoding="utf-8")
        flags = ["-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *warnings]
        command = [gcc, *flags, "-o", str(helper), str(folder / "execve_wrapper.c"), str(options)]
        subprocess.run(command, check=True, timeout=COMPILE_S)
        return helper

    return compile_from


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_the_sanitizers_have_nothing_to_report(compile_sanitized, reports, tmp_path, sanitizer):
    helper = compile_sanitized(NATIVE, sanitizer)
    files = [str(Path(__file__).with_name(name)) for name in PARTS]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        "not python",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path}/inner", *files],
        env=environment | {"ESCALATION_HELPER": str(helper)},
        cwd=NATIVE.parent,
        capture_output=True,
        text=True,
        timeout=SUITE_S,
        check=False,
    )
    assert [file.read_text(encoding="utf-8") for file in reports.iterdir()] == []
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.parametrize(
    ("sanitizer", "fault", "words"),
    [
        ("address", "char *one = malloc(1); ((volatile char *)one)[argc] = 0;", "heap-buffer-overflow"),
        ("undefined", "volatile int most = INT_MAX; most += argc;", "signed integer overflow"),
    ],
)
def test_a_report_would_be_seen(compile_sanitized, reports, tmp_path, sanitizer, fault, words):
    """The trap works: a wrapper with a fault built in leaves one."""
    shutil.copytree(NATIVE, tmp_path / "faulty")
    source = tmp_path / "faulty" / "execve_wrapper.c"
    text = source.read_text(encoding="utf-8")
    faulty = text.replace("main(int argc, char **argv)\n{", f"main(int argc, char **argv)\n{{\n    {fault}")
    assert faulty != text
    source.write_text(faulty, encoding="utf-8")
    helper = compile_sanitized(tmp_path / "faulty", sanitizer)
    done = subprocess.run([helper, "x"], env={}, capture_output=True, timeout=30, check=False)
    assert done.returncode == 99
    (report,) = reports.iterdir()
    assert words in report.read_text(encoding="utf-8")
