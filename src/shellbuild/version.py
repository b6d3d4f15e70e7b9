"""The version of this project, which stands in `pyproject.toml` and nowhere else, in the spellings of each registry.

Versions are stable `x.y.z` or alpha `x.y.z-alpha.N` (https://semver.org); Python writes the latter `x.y.zaN`
(https://packaging.python.org/specifications/version-specifiers/).
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from shellbuild.errors import ReleaseError
from shellbuild.project import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseVersion:
    """A version that may be published."""

    numbers: tuple[int, int, int]
    alpha: int | None

    @property
    def semver(self) -> str:
        """Spelling of tags, npm and file names."""
        return self._spell("-alpha.")

    @property
    def pep440(self) -> str:
        """Spelling of wheels."""
        return self._spell("a")

    def _spell(self, infix: str) -> str:
        numbers = ".".join(map(str, self.numbers))
        return numbers if self.alpha is None else f"{numbers}{infix}{self.alpha}"


def parse_version(text: str) -> ReleaseVersion:
    """Read one spelling, that of tags; raise ReleaseError with the reason for any other version."""
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise ReleaseError(f"{text!r} is no version: write x.y.z or x.y.z-alpha.N") from error
    found = as_release(version)
    if found.semver != text:
        raise ReleaseError(f"{text!r} is not how that version is written: {found.semver!r} is")
    return found


def as_release(version: Version) -> ReleaseVersion:
    """Take a version that is stable or alpha; raise ReleaseError with what else it is."""
    kinds = {
        "has an epoch": version.epoch != 0,
        "is a development version": version.dev is not None,
        "is a post-release": version.post is not None,
        "has a local part": version.local is not None,
        "is a beta": version.pre is not None and version.pre[0] == "b",
        "is a release candidate": version.pre is not None and version.pre[0] == "rc",
        "does not have three numbers": len(version.release) != 3,  # noqa: PLR2004 - as semver has it
    }
    wrong = [kind for kind, applies in kinds.items() if applies]
    if wrong:
        raise ReleaseError(f"{version} {' and '.join(wrong)}: only x.y.z and x.y.z-alpha.N are published")
    major, minor, patch = version.release
    return ReleaseVersion(numbers=(major, minor, patch), alpha=version.pre[1] if version.pre else None)


def project_version(root: Path = ROOT) -> ReleaseVersion:
    """Give the version that `pyproject.toml` states."""
    return as_release(Version(_document(root)["project"]["version"]))


UNPUBLISHED = "_unpublished/"
"""Begins the repository of a project that has none yet; an owner that can't exist."""


def repository(root: Path = ROOT) -> str:
    """Give `owner/name` of the repository that holds the releases."""
    return str(_document(root)["tool"]["shellbuild"]["repository"])


def _document(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
