"""What tests look at while a sandboxed command runs: its processes, its guard, the placeholders in its workspace."""

import os
import select
import subprocess
from pathlib import Path

from integration.sandbox.world import DEADLINE_S, World
from shelltool.sandbox.survey import PROTECTED_NAMES

SLEEP = "exec sleep 600"
NOT_FOUND = b"codex-linux-sandbox: /nowhere/program: No such file or directory\n"


def processes_with(text: str) -> list[int]:
    """Find processes by their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def marker_of(world: World) -> str:
    """Give a time to sleep that nobody else sleeps."""
    return f"600.{os.getpid()}{id(world) % 100000:05}"


def guards() -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text(encoding="utf-8") == "sandbox-guard\n":
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def program_of(pid: int) -> str | None:
    """Give what a process executes, or nothing where it has ended, which those of other tests may do at any moment."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except FileNotFoundError:
        return None


def placeholders(world: World) -> list[str]:
    return sorted(path.name for path in world.ws.iterdir() if path.name in PROTECTED_NAMES)


def started(child: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Wait until the script has said so."""
    assert child.stdout is not None
    assert select.select([child.stdout], [], [], DEADLINE_S)[0], "it never got ready"
    assert os.read(child.stdout.fileno(), 6) == b"ready\n"
    return child


def run_command(world: World, *argv: str, arg0: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program without a shell around it."""
    spec = world.engine.command(world.plan(), argv, cwd=str(world.ws), env=world.env, arg0=arg0)
    return subprocess.run(
        [*world.user.prefix, *spec.argv],
        cwd=spec.cwd,
        env=spec.env,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )


def finish(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait(DEADLINE_S)
    assert child.stdout is not None
    child.stdout.close()
