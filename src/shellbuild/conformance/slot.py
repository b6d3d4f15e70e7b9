"""A slot: one folder, one keeper, one script at a time, always under the same conditions.

Every way of a script runs with the same absolute paths, environment, descriptors, umask, limits and no terminal;
only the shell behind its path, and `EXEC_WRAPPER` in the wrapped way, are not the same.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shellbuild.conformance.keeper_client import Keeper
from shellbuild.conformance.model import Outcome, ShellSet, Suite, Way
from shellbuild.conformance.snapshot import Snapshot, empty, restore, take_snapshot

OUTPUT_BYTES = 8 << 20
"""More than this of one script's output is not compared; upstream's longest prints some hundred kilobytes."""
SCRATCH = ("tmp", "home", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place to run scripts in; close it to be sure that nothing of them is left."""

    suite: Suite
    folder: Path
    wrapper: Path
    snapshot: Snapshot
    env: Mapping[str, str]
    keeper: Keeper

    @classmethod
    def open(cls, suite: Suite, shells: ShellSet, programs: Path, folder: Path) -> Self:
        """Lay the slot's folder out and start its keeper."""
        for name in SCRATCH:
            empty(folder / name)
        suite.furnish(shells, programs, folder)
        shutil.copy2(shells.unpatched, folder / "shell-unpatched")
        shutil.copy2(shells.patched, folder / "shell-patched")
        return cls(
            suite=suite,
            folder=folder,
            wrapper=programs / "passthrough",
            snapshot=take_snapshot(suite.run_folder(folder), folder / "pristine"),
            env=shells.env,
            keeper=Keeper(),
        )

    def run(self, script: str, way: Way) -> Outcome:
        """Run one script one way, from a clean folder."""
        restore(self.snapshot)
        for name in SCRATCH:
            empty(self.folder / name)
        self._install("unpatched" if way is Way.UNPATCHED else "patched")
        job = self.suite.job(script, self.folder)
        extra = {"EXEC_WRAPPER": str(self.wrapper)} if way is Way.WRAPPED else {}
        printed = self.folder / "printed"
        ended = self.keeper.run(job, {**job.env, **self.env, **extra}, printed)
        output = b"".join(map(_read, (printed, *job.records)))
        # Ways that ran side by side did so in slots of different names.
        output = output.replace(os.fsencode(self.folder), b"/slot")
        return Outcome(
            status=ended.status, output=self.suite.normalise(output, ended.pid), seconds=ended.seconds
        )

    def close(self) -> None:
        """End the keeper, which ends whatever runs."""
        self.keeper.close()

    def _install(self, shell: str) -> None:
        place = self.suite.shell_place(self.folder)
        # A hard link: a symbolic one would tell a script which shell it is.
        fresh = place.with_name(f".{place.name}")
        fresh.unlink(missing_ok=True)
        fresh.hardlink_to(self.folder / f"shell-{shell}")
        fresh.replace(place)
        # rename(2) does nothing when both names are links to one file already.
        fresh.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(OUTPUT_BYTES)
            left = path.stat().st_size - len(data)
    except FileNotFoundError:
        return b""
    return data + (b"\n[%d bytes more]\n" % left if left > 0 else b"")
