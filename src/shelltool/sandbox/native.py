"""Where `codex-linux-sandbox` is, and how it is asked what works.

Never found through PATH or another variable: what stands there may be anybody's.
"""

import os
import platform
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from shelltool.errors import SandboxUnavailableError

HELPER_NAME = "codex-linux-sandbox"
TARGETS = {"x86_64": "x86_64-unknown-linux-musl", "aarch64": "aarch64-unknown-linux-musl"}
DEADLINE_S = 10.0
OUTPUT_LIMIT = 8192


def find_helper(package: Path = Path(__file__).parents[1]) -> str:
    """Find the helper: in the package's own vendor folder, or in that of the checkout."""
    target = TARGETS.get(platform.machine())
    if target is None:
        raise SandboxUnavailableError(f"{HELPER_NAME}: there is none for {platform.machine()}")
    places = [folder / "vendor" / target / HELPER_NAME for folder in (package, package.parents[1])]
    for place in places:
        if place.is_file():
            return str(place.resolve())
    raise SandboxUnavailableError(
        f"{HELPER_NAME} is neither at {places[0]} nor at {places[1]}; build or install it"
    )


def facts(argv: Sequence[str]) -> dict[str, int]:
    """Run a command that ends in `codex-linux-sandbox --check` and read what it says."""
    lines = [line.split() for line in run_briefly(argv).splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].lstrip("-").isdigit()}  # noqa: PLR2004


def run_briefly(argv: Sequence[str]) -> str:
    """Run one of our own programs in no time and give its output; SandboxUnavailableError says why it failed."""
    name = Path(argv[0]).name
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"LC_ALL": "C"},
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxUnavailableError(f"{argv[0]}: {error.strerror}") from error
    with child:
        try:
            # What it writes fits into a pipe; if not, it does not end in time.
            status = child.wait(DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise SandboxUnavailableError(f"{name} took longer than {DEADLINE_S:.0f} s") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        text = _read_what_is_there(child)
    if status != 0:
        raise SandboxUnavailableError(f"{name} ended with status {status}: {text or 'no message'}")
    return text


def _read_what_is_there(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None  # noqa: S101 - for the type checker
    os.set_blocking(child.stdout.fileno(), False)
    with suppress(BlockingIOError):
        return os.read(child.stdout.fileno(), OUTPUT_LIMIT).decode("utf-8", "replace").strip()
    return ""
