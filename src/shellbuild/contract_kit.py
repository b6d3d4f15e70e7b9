"""The shells of one target as one archive, to be tested on a machine of that kind: cross-built here, run there.

A workflow's artefacts lose run bits, an archive does not. `nox -s contract` runs the contract tests on a kit, on Linux
also on one for another processor, under qemu.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from shellbuild.builder import build_shell
from shellbuild.cache import appearing_folder
from shellbuild.console import echo, step
from shellbuild.errors import ToolchainError, UsageError, VendorError
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
    wrapper_target = pick_platform(load_project().platforms, host_target()).zig_target
    environment = {**os.environ, **shells, "CONTRACT_WRAPPER_TARGET": wrapper_target, **emulation(kit)}
    command = [sys.executable, "-m", "pytest", "tests/integration", "-m", "contract", *arguments]
    echo(command)
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=TESTS_S, check=False).returncode


def emulation(kit: Path) -> dict[str, str]:
    """Give what makes the tests start a kit's shells under qemu, where they are for another machine than this one."""
    platforms = load_project().platforms
    mine, theirs = platforms[host_target()], platforms.get(kit.stem)
    if theirs is None or theirs == mine or "CONTRACT_RUNNER" in os.environ:
        return {}
    if (theirs.os, mine.os) != ("linux", "linux"):
        raise UsageError(
            f"{kit}: shells for {theirs.target} don't run on {mine.target}, nor does qemu run them"
        )
    emulator = shutil.which(f"qemu-{theirs.arch}-static")
    if emulator is None:
        raise ToolchainError(f"qemu-{theirs.arch}-static is not installed: apt-get install qemu-user-static")
    return {"CONTRACT_RUNNER": emulator}


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
