"""The runtime of this checkout as it would be installed, with its native programs beside it, for servers under test."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from shellbuild.builder import build_native, make_native_request
from shelltool.exec_server.processes.supervising import PROGRAM_NAME, SupervisorProgram
from shelltool.shells import this_host

ROOT = Path(__file__).parents[3]
PROGRAMS = (PROGRAM_NAME, "codex-linux-sandbox", "codex-sandbox-files")


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
    vendor = root / "vendor" / this_host().target
    vendor.mkdir(parents=True)
    shutil.copytree(
        ROOT / "src", root / "src"
    )  # through a link that commands can replace, no server would run them
    built = build_native(make_native_request())
    for name in PROGRAMS:
        (vendor / name).symlink_to(built / name)
    return Installation(root)
