"""Which engine this machine gets: the first that is seen to work, tried once in a process.

On Linux bubblewrap, else Landlock; on macOS seatbelt; else the one that refuses. "Works" means that a command was run
in it and found itself confined.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path

from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox import landlock, native, seatbelt
from shelltool.sandbox.bubblewrap import Bubblewrap
from shelltool.sandbox.engine import Engine, Refusal
from shelltool.sandbox.grants import Access
from shelltool.sandbox.landlock import Landlock
from shelltool.sandbox.plan import SandboxPlan
from shelltool.sandbox.seatbelt import Seatbelt

BWRAP_PLACES = ("/usr/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap")
READ_ONLY = SandboxPlan(root=Access.READ)
FILTERED = 2
"""What a process with a system call filter finds in its status."""

BUBBLEWRAP_LIMITED = (
    "a protected name that does not exist yet is an empty folder while a command runs, outside the sandbox as well",
    "removing or renaming a protected folder from outside while a command runs takes its protection away",
)
WITHOUT_LANDLOCK = (
    "named pipes outside the writable folders can be written to",
    "a command that runs under another policy at the same time can mislead it about where its folders are",
)
WITHOUT_SCOPES = ("with network, datagrams can be sent to abstract local sockets outside",)


@lru_cache(maxsize=8)
def choose_engine(*, helper: str | None = None, bwrap: str | None = None) -> Engine:
    """Choose the engine for this process. `helper` and `bwrap`: where they are, if not where they belong."""
    if sys.platform == "darwin":
        return _on_macos()
    if sys.platform != "linux":
        return Refusal(declined=(f"there is no sandbox for {sys.platform}",))
    declined: list[str] = []
    try:
        program = helper or native.find_helper()
        abi = native.facts([program, "--check"]).get("landlock", 0)
        return _on_linux(program, bwrap, abi, declined)
    except SandboxUnavailableError as error:
        return Refusal(declined=(*declined, str(error)))


def _on_linux(helper: str, bwrap: str | None, abi: int, declined: list[str]) -> Engine:
    try:
        return try_bubblewrap(helper, bwrap or _find_bwrap(), abi)
    except SandboxUnavailableError as error:
        declined.append(f"bubblewrap: {error}")
    try:
        return try_landlock(helper, abi, tuple(declined))
    except SandboxUnavailableError as error:
        raise SandboxUnavailableError(f"landlock: {error}") from error


def try_bubblewrap(helper: str, bwrap: str, abi: int) -> Engine:
    """Run something in bubblewrap."""
    layered = abi >= landlock.OLDEST_ABI
    limitations = (
        *BUBBLEWRAP_LIMITED,
        *(() if layered else WITHOUT_LANDLOCK),
        *(() if abi >= landlock.SCOPED_ABI else WITHOUT_SCOPES),
    )
    engine = Bubblewrap(helper=helper, bwrap=bwrap, landlock=layered, limitations=limitations)
    found = _confined(engine, helper)
    if found.get("pid_namespace", 0) in {0, _own_pid_namespace()}:
        raise SandboxUnavailableError("processes outside can be seen from inside")
    return engine


def try_landlock(helper: str, abi: int, declined: tuple[str, ...] = ()) -> Engine:
    """Run something under Landlock."""
    if abi < landlock.OLDEST_ABI:
        raise SandboxUnavailableError(
            f"this kernel has {f'ABI {abi}' if abi else 'none'}; ABI {landlock.OLDEST_ABI} is needed (Linux 6.2)"
        )
    engine = Landlock(helper=helper, limitations=landlock.limitations(abi), declined=declined)
    _confined(engine, helper)
    return engine


def _confined(engine: Engine, helper: str) -> dict[str, int]:
    found = native.facts([*engine.prefix(READ_ONLY, cwd="/"), helper, "--check"])
    if found.get("seccomp") != FILTERED or found.get("no_new_privs") != 1:
        raise SandboxUnavailableError("a command ran in it and was not confined")
    return found


def _own_pid_namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError as error:
        raise SandboxUnavailableError(
            f"/proc: {error.strerror}; it can't be told what is seen from inside"
        ) from error


def _find_bwrap() -> str:
    for place in BWRAP_PLACES:
        if os.access(place, os.X_OK):
            return place
    raise SandboxUnavailableError(f"not installed (looked at {', '.join(BWRAP_PLACES)})")


def _on_macos() -> Engine:
    try:
        native.run_briefly([seatbelt.SANDBOX_EXEC, "-p", "(version 1)(allow default)", "/usr/bin/true"])
    except SandboxUnavailableError as error:
        return Refusal(declined=(f"seatbelt: {error}",))
    return Seatbelt()
