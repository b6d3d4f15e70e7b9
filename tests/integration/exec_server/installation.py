"""The runtime of this checkout as it would be installed, with its native programs compiled, for servers under test."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from shelltool.exec_server.processes.supervising import PROGRAM_NAME, SupervisorProgram
from shelltool.shells import this_host

ROOT = Path(__file__).parents[3]
CFLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
SOURCES = {
    PROGRAM_NAME: "process_supervisor.c",
    "codex-linux-sandbox": "linux_sandbox.c",
    "codex-sandbox-files": "sandbox_files.c",
}
COMPILE_S = 120


@dataclass(frozen=True, slots=True)
class Installation:
    """A tree with `src` and `vendor` in it."""

    root: Path

    @property
    def supervisor(self) -> SupervisorProgram:
        return SupervisorProgram(str(self.vendor / PROGRAM_NAME), (PROGRAM_NAME,))

    @property
    def helper(self) -> Path:
        return self.vendor / "codex-linux-sandbox"

    @property
    def vendor(self) -> Path:
        """Where the native programs are."""
        return self.root / "vendor" / this_host().target

    def command(self, *options: str) -> list[str]:
        """Give the command line of a server."""
        return [sys.executable, "-m", "shelltool.exec_server.cli", *options]

    def environment(self) -> dict[str, str]:
        """Give the environment of a server."""
        return {**os.environ, "PYTHONPATH": str(self.root / "src")}


def install(root: Path) -> Installation:
    """Put it together below an empty folder."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    vendor = root / "vendor" / this_host().target
    vendor.mkdir(parents=True)
    (root / "src").symlink_to(ROOT / "src")
    for name, source in SOURCES.items():
        command: list[str | Path] = [gcc, *CFLAGS, "-o", vendor / name, ROOT / "native" / source]
        subprocess.run(command, check=True, timeout=COMPILE_S)
    return Installation(root)
