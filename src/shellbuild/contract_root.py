"""The contract tests in a root folder of another kind, with none of this system's programs: busybox, or a plain Debian.

bubblewrap lays the root out, and adds what the tests themselves need at the paths where it is here (Python, this checkout,
the cache). The busybox root has busybox under all its names in /bin and /usr/bin and, for Python, this system's libraries;
the Debian root is what debootstrap makes, libraries included. The shells are static and need none of it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from shellbuild.builder import build_shell
from shellbuild.cache import appearing_folder, cache_root, entry_lock
from shellbuild.console import echo, step
from shellbuild.errors import ToolchainError
from shellbuild.process import capture
from shellbuild.project import ROOT, SHELLS
from shellbuild.sources.mirrors import machine_mirrors, this_distribution

TESTS_S = 3_600.0
DEBOOTSTRAP_S = 1_200.0
DEBIAN_PACKAGES = ("procps", "python3")
"""Besides the essential ones: what the tests call, and the libraries that any Python is linked with."""
DEBIAN_TOPS = ("etc", "usr", "var", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
LIBRARIES = ("/usr/lib", "/lib", "/lib64", "/usr/lib64")
HARNESS = ("python3", "python")
"""Names in /bin that are this interpreter, for the tests' own helpers."""
DYNAMIC = "true"
"""The one program that stays this system's: the tests make broken ELF files of a dynamic one."""


class Root(StrEnum):
    """Kinds of root folders."""

    BUSYBOX = "busybox"
    DEBIAN = "debian"


def run_contract_in_root(arguments: Sequence[str] = (), *, root: Root = Root.BUSYBOX) -> int:
    """Run the contract tests there on this machine's shells; give pytest's status."""
    shells = {
        f"CONTRACT_{name.upper()}{suffix}": str(build_shell(name, patched=not suffix))
        for name in SHELLS
        for suffix in ("", "_UNPATCHED")
    }
    with tempfile.TemporaryDirectory(prefix="contract-root-") as folder:
        debian = root is Root.DEBIAN
        enter = debian_command(make_debian()) if debian else root_command(make_commands(Path(folder) / "bin"))
        argv = [
            *enter,
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


def make_debian() -> Path:
    """Give the root folder of this machine's own distribution, made by debootstrap if it isn't in the cache yet."""
    distribution = this_distribution()
    if not distribution.codenames:
        raise ToolchainError("/etc/os-release names no release that debootstrap could make")
    place = cache_root() / "roots" / f"{distribution.ids[0]}-{distribution.codenames[0]}"
    with entry_lock(place):
        if not place.is_dir():
            with step(f"debootstrap {place.name}"), appearing_folder(place) as staging:
                _debootstrap(distribution.codenames[0], staging)
    return place


def _debootstrap(suite: str, folder: Path) -> None:
    program = shutil.which("debootstrap")
    if program is None:
        raise ToolchainError("debootstrap is not installed: apt-get install debootstrap")
    [mirror, *_] = machine_mirrors([suite])
    # What debootstrap mounts below the folder goes with this namespace, also where it is ended half-way.
    argv = ["unshare", "--mount", program, "--variant=minbase", f"--include={','.join(DEBIAN_PACKAGES)}"]
    if mirror.options.get("Signed-By", "").startswith("/"):
        argv.append(f"--keyring={mirror.options['Signed-By'].split()[0]}")
    capture([*argv, suite, folder, mirror.uris[0]], deadline_s=DEBOOTSTRAP_S)


def debian_command(root: Path) -> list[str]:
    """Give the bubblewrap command line that enters a Debian root."""
    found = [name for name in DEBIAN_TOPS if (root / name).exists() or (root / name).is_symlink()]
    links = [name for name in found if (root / name).is_symlink()]
    return _enter(
        [
            *(
                word
                for name in found
                if name not in links
                for word in ("--ro-bind", str(root / name), f"/{name}")
            ),
            *(word for name in links for word in ("--symlink", str((root / name).readlink()), f"/{name}")),
            *(word for name in ("/root", "/run", tempfile.gettempdir()) for word in ("--dir", name)),
        ]
    )


def root_command(commands: Path) -> list[str]:
    """Give the bubblewrap command line that enters a busybox root."""
    return _enter(
        [
            *("--ro-bind", str(commands), "/bin", "--ro-bind", str(commands), "/usr/bin"),
            *(word for path in LIBRARIES if Path(path).is_dir() for word in ("--ro-bind", path, path)),
        ]
    )


def _enter(system: Sequence[str]) -> list[str]:
    """Add to what makes the system what the tests run on."""
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise ToolchainError("bubblewrap is not installed: apt-get install bubblewrap")
    scratch = os.environ.get("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    return [
        *(bubblewrap, "--die-with-parent", "--dev-bind", "/dev", "/dev", "--proc", "/proc"),
        *system,
        *(word for path in _needed() for word in ("--ro-bind", str(path), str(path))),
        *(word for path in (scratch, cache_root()) for word in ("--bind", str(path), str(path))),
        *("--chdir", str(ROOT), "--"),
    ]


def _needed() -> list[Path]:
    """Give what the tests run on, outermost first."""
    places = {Path(sys.prefix), Path(sys.base_prefix), ROOT, Path(sys.executable).resolve().parent.parent}
    # The system's own Python has /usr as its prefix, of which we want the libraries alone.
    return sorted(places - {Path("/usr"), Path("/")})
