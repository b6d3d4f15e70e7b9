"""The contract tests in a root folder of another kind: busybox for every command, and none of this system's programs.

bubblewrap lays the root out: busybox under all its names in /bin and /usr/bin, and what the tests themselves need, at the
paths where it is here (Python with its libraries, this checkout, the cache). The shells are static and need none of it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from shellbuild.builder import build_shell
from shellbuild.cache import cache_root
from shellbuild.console import echo
from shellbuild.errors import ToolchainError
from shellbuild.process import capture
from shellbuild.project import ROOT, SHELLS

TESTS_S = 3_600.0
LIBRARIES = ("/usr/lib", "/lib", "/lib64", "/usr/lib64")
HARNESS = ("python3", "python")
"""Names in /bin that are this interpreter, for the tests' own helpers."""
DYNAMIC = "true"
"""The one program that stays this system's: the tests make broken ELF files of a dynamic one."""


def run_contract_in_root(arguments: Sequence[str] = ()) -> int:
    """Run the contract tests there on this machine's shells; give pytest's status."""
    shells = {
        f"CONTRACT_{name.upper()}{suffix}": str(build_shell(name, patched=not suffix))
        for name in SHELLS
        for suffix in ("", "_UNPATCHED")
    }
    with tempfile.TemporaryDirectory(prefix="contract-root-") as folder:
        commands = make_commands(Path(folder) / "bin")
        argv = [
            *root_command(commands),
            sys.executable,
            "-m",
            "pytest",
            "tests/integration",
            "-m",
            "contract",
        ]
        argv += ["-p", "no:cacheprovider", *arguments]
        echo(argv)
        environment = {**os.environ, **shells, "PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(argv, cwd=ROOT, env=environment, timeout=TESTS_S, check=False).returncode


def make_commands(folder: Path) -> Path:
    """Fill a folder with busybox under all its names, and the names under which Python is found."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise ToolchainError("busybox is not installed: apt-get install busybox-static")
    folder.mkdir()
    shutil.copy2(busybox, folder / "busybox")
    for name in capture([busybox, "--list"]).split():
        if name != "busybox":
            (folder / name).symlink_to("busybox")
    for name in HARNESS:
        (folder / name).symlink_to(sys.executable)
    (folder / DYNAMIC).unlink()
    shutil.copy2(f"/bin/{DYNAMIC}", folder / DYNAMIC)
    return folder


def root_command(commands: Path) -> list[str]:
    """Give the bubblewrap command line that enters such a root."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise ToolchainError("bubblewrap is not installed: apt-get install bubblewrap")
    scratch = os.environ.get("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    return [
        *(bubblewrap, "--die-with-parent", "--dev-bind", "/dev", "/dev", "--proc", "/proc"),
        *("--ro-bind", str(commands), "/bin", "--ro-bind", str(commands), "/usr/bin"),
        *(word for path in _needed() for word in ("--ro-bind", str(path), str(path))),
        *(word for path in (scratch, cache_root()) for word in ("--bind", str(path), str(path))),
        *("--chdir", str(ROOT), "--"),
    ]


def _needed() -> Iterator[Path]:
    """Give what the tests run on, outermost first."""
    yield from (Path(path) for path in LIBRARIES if Path(path).is_dir())
    places = {Path(sys.prefix), Path(sys.base_prefix), ROOT, Path(sys.executable).resolve().parent.parent}
    # The system's own Python has /usr as its prefix, of which we want the libraries alone.
    yield from sorted(places - {Path("/usr"), Path("/")})
