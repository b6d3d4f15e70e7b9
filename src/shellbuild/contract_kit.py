"""The shells of one target as one archive, to be tested on a machine of that kind: cross-built here, run there.

A workflow's artefacts lose run bits, an archive does not. `nox -s contract` runs the contract tests on a kit, on Linux
also on one for another processor, under qemu.
"""

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from shellbuild.builder import build_shell
from shellbuild.cache import appearing_folder
from shellbuild.console import echo, step
from shellbuild.emulation import emulating, format_line
from shellbuild.errors import UsageError, VendorError
from shellbuild.platforms import pick_platform
from shellbuild.project import BUILD, ROOT, SHELLS, host_target, load_project

TESTS_S = 3_600.0
FOLDER = BUILD / "contract-kit"
VARIABLES = {
    "CONTRACT_BASH": "bash/patched/bash",
    "CONTRACT_BASH_UNPATCHED": "bash/unpatched/bash",
    "CONTRACT_ZSH": "zsh/patched/zsh",
    "CONTRACT_ZSH_UNPATCHED": "zsh/unpatched/zsh",
}
"""What the contract tests read, and where that is in a kit."""


def pack_kit(target: str, *, folder: Path = FOLDER) -> Path:
    """Build what is missing of the patched and unpatched shells of a target and give their archive."""
    pick_platform(load_project().platforms, target)  # an unknown one fails before anything is built
    folder.mkdir(parents=True, exist_ok=True)
    kit = folder / f"{target}.tar"
    fresh = kit.with_suffix(".new")
    with step(f"contract kit: {target}"), tarfile.open(fresh, "w") as archive:
        for name in SHELLS:
            for kind in ("patched", "unpatched"):
                built = build_shell(name, target=target, patched=kind == "patched")
                archive.add(built.parent, arcname=f"{name}/{kind}")
    return fresh.replace(kit)


def run_contract(kit: Path, arguments: Sequence[str] = ()) -> int:
    """Run the contract tests on the shells of a kit, on a machine that runs them; give pytest's status."""
    shells = unpack_kit(kit)
    targets, emulator = emulation(kit)
    environment = {**os.environ, **shells, **targets}
    command = [*emulator, sys.executable, "-m", "pytest", "tests/integration", "-m", "contract", *arguments]
    echo(command)
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=TESTS_S, check=False).returncode


def emulation(kit: Path) -> tuple[dict[str, str], list[str]]:
    """Give what tells the tests the kind of their programs, and the command under which this machine runs a kit's shells.

    Where the shells are another machine's, the commands that they run are too, but wrappers are this machine's, as the
    system's own commands are: a shell takes those for ones that run because its wrapper is of their kind.
    """
    platforms = load_project().platforms
    mine, theirs = platforms[host_target()], platforms.get(kit.stem)
    targets = {"CONTRACT_WRAPPER_TARGET": mine.zig_target}
    if theirs is None or theirs == mine:
        return targets, []
    if (theirs.os, mine.os) != ("linux", "linux"):
        raise UsageError(
            f"{kit}: shells for {theirs.target} don't run on {mine.target}, nor does qemu run them"
        )
    line = format_line(theirs)
    targets |= {"CONTRACT_COMMAND_TARGET": theirs.zig_target, "CONTRACT_FORMAT": line}
    return targets, emulating(line)


def unpack_kit(kit: Path) -> dict[str, str]:
    """Unpack a kit beside itself and give the environment variables that name its shells."""
    if not kit.is_file():
        raise VendorError(f"{kit} is no kit: make one with `nox -s contract_kit -- TARGET`")
    place = kit.with_suffix("")
    with appearing_folder(place) as staging, tarfile.open(kit) as archive:
        archive.extractall(staging, filter="data")
    missing = [path for path in VARIABLES.values() if not (place / path).is_file()]
    if missing:
        raise VendorError(f"{kit} lacks {', '.join(missing)}: make it anew")
    return {variable: str(place / path) for variable, path in VARIABLES.items()}
