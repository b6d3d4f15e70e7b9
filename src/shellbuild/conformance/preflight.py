"""Before the suites: proving that the shells are what they are said to be.

Without this, an unpatched shell in the patched one's place would agree with itself in every script.
"""

from collections.abc import Mapping
from pathlib import Path

from shellbuild.conformance.model import ShellSet
from shellbuild.errors import ConformanceError, StepError
from shellbuild.process import capture

COMMAND = "/bin/true conformance; :"


def check_shells(shells: ShellSet, version: str) -> None:
    """Raise ConformanceError unless both run, are one version, and only the patched one hands its execs over.

    `version` are shell words that expand to a shell's version.
    """
    versions = {}
    for path, is_patched in ((shells.unpatched, False), (shells.patched, True)):
        if _wraps(path) != is_patched:
            told = "an unpatched" if is_patched else "a patched"
            raise ConformanceError(f"{path} is {told} shell; build {shells.name} {shells.release} again")
        versions[path] = _say(path, f"echo {version}", {})
    if len(set(versions.values())) > 1:
        listed = ", ".join(f"{path} is {version.strip()}" for path, version in versions.items())
        raise ConformanceError(f"two versions of {shells.name} can't be compared: {listed}")


def _wraps(shell: Path) -> bool:
    # A wrapper that prints what it is handed instead of running it.
    return "/bin/true" in _say(shell, COMMAND, {"EXEC_WRAPPER": "/bin/echo"})


def _say(shell: Path, script: str, env: Mapping[str, str]) -> str:
    try:
        return capture([shell, "-c", script], env={"PATH": "/usr/bin:/bin", **env}, deadline_s=60)
    except StepError as error:
        raise ConformanceError(f"{shell} does not work, so nothing can be compared") from error
