"""Patch series: the header every patch carries, applying it with zero fuzz, its digest.

A header stands before the first `diff --git` line and answers four questions: Subject, Why, Upstream, Test.
`git apply` knows no fuzz at all, so a patch either fits its context or is refused whole.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shellbuild.errors import PatchError, StepError
from shellbuild.process import capture

HEADER_KEYS = ("Subject", "Why", "Upstream", "Test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One patch file with a proven header."""

    path: Path
    header: str
    body: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the diff itself: a better worded header changes no binary."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def load_patch(path: Path) -> Patch:
    """Read a patch; raise PatchError when its header lacks an answer."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PatchError(f"{path}: {error}") from error
    start = text.find("diff --git ")
    if start < 0:
        raise PatchError(f"{path}: no `diff --git` line; write it with `nox -s refresh_patch`")
    header = text[:start]
    missing = [key for key in HEADER_KEYS if not re.search(rf"^{key}: *\S", header, re.MULTILINE)]
    if missing:
        raise PatchError(f"{path}: the header before the first diff lacks {', '.join(missing)}")
    return Patch(path=path, header=header, body=text[start:])


def series_digest(patches: Sequence[Patch]) -> str:
    """SHA-256 (hex) over the digests of a series, in order."""
    return hashlib.sha256("\n".join(patch.digest for patch in patches).encode()).hexdigest()


def apply_series(patches: Sequence[Patch], tree: Path) -> None:
    """Apply a series to a source tree; raise PatchError naming the first hunk that doesn't fit."""
    for patch in patches:
        try:
            capture(
                ["git", "apply", "-p1", "--whitespace=nowarn", patch.path], cwd=tree, env=no_repository(tree)
            )
        except StepError as error:
            raise PatchError(f"{patch.path} does not apply to {tree.name}: {error}") from error


def no_repository(tree: Path) -> dict[str, str]:
    """Environment in which git takes `tree` for what it is, whatever repository lies around it.

    Inside a repository `git apply` would resolve paths against that one's root and skip the rest in silence.
    """
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C",
        "GIT_CEILING_DIRECTORIES": str(tree.resolve().parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
