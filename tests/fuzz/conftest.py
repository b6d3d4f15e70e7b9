"""Programs to throw bytes at, compiled with sanitizers where gcc has them."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[2]
COMPILE_S = 300
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NO_LEAK_CHECK = 'const char *__asan_default_options(void) { return "detect_leaks=0:exitcode=99"; }\n'
"""A wrapper becomes its command, with all that it has allocated."""


def compile_sanitized(target: Path, *sources: Path) -> Path:
    """Compile with gcc and its sanitizers, or else with zig, which has one of the two."""
    gcc = shutil.which("gcc")
    compiler = (gcc, *SANITIZE) if gcc else (sys.executable, "-m", "ziglang", "cc", "-fsanitize=undefined")
    options = target.with_suffix(".options.c")
    options.write_text(NO_LEAK_CHECK, encoding="utf-8")
    flags = ("-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "native"), "-o", str(target))
    command = [*compiler, *flags, *map(str, sources), str(options)]
    subprocess.run(command, check=True, timeout=COMPILE_S)
    return target


@pytest.fixture(scope="session")
def sanitized_wrapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the whole wrapper."""
    target = tmp_path_factory.mktemp("wrapper") / "codex-execve-wrapper"
    return compile_sanitized(target, ROOT / "native" / "execve_wrapper.c")


class AnswerReader:
    """The wrapper's reader of answers, in a process that reads one after the other."""

    def __init__(self, process: subprocess.Popen[bytes], to: IO[bytes], back: IO[bytes]) -> None:
        self._process = process
        self._to = to
        self._back = back

    def read(self, frame: bytes) -> bytes:
        """Give the line that it prints about a frame."""
        self._to.write(len(frame).to_bytes(4, sys.byteorder) + frame)
        self._to.flush()
        line = self._back.readline()
        assert line, f"the reader ended with status {self._process.wait()}: {frame!r}"
        return line.rstrip(b"\n")


@pytest.fixture(scope="session")
def answer_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnswerReader]:
    """Start the reader."""
    target = tmp_path_factory.mktemp("reader") / "answer-reader"
    program = compile_sanitized(target, Path(__file__).with_name("answer_reader.c"))
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        yield AnswerReader(process, process.stdin, process.stdout)
        process.stdin.close()
        assert process.wait(10) == 0
