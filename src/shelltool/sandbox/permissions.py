"""What newer clients ask for: a permission profile, which lists what may be read, written or neither.

Keys inside are snake_case in every dialect. What the entries mean for paths is `grants`. A key or a kind that is not
known is refused, but for the kind `unknown`, which clients send for what they themselves don't know.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from shelltool.sandbox.policy import AbsolutePath, Model, validated

Network = Literal["restricted", "enabled"]
PATTERN_LIMIT = 4096
ENTRY_LIMIT = 1024


class PathTarget(Model):
    """One file or folder."""

    type: Literal["path"]
    path: AbsolutePath


class GlobTarget(Model):
    """Whatever matches when the sandbox starts; relative patterns hold below each workspace."""

    type: Literal["glob_pattern"]
    pattern: str = Field(min_length=1, max_length=PATTERN_LIMIT)


class SpecialPath(Model):
    """A place that only the side which runs the command knows."""

    kind: Literal[
        "root", "minimal", "current_working_directory", "project_roots", "tmpdir", "slash_tmp", "unknown"
    ]
    path: str | None = None
    subpath: str | None = None

    @model_validator(mode="after")
    def _keeps_below(self) -> "SpecialPath":
        if self.subpath is not None and (self.subpath.startswith("/") or ".." in self.subpath.split("/")):
            raise ValueError("a subpath stays below its root")
        return self


class SpecialTarget(Model):
    """A place by its role."""

    type: Literal["special"]
    value: SpecialPath


class Entry(Model):
    """What may be done at one place, unless another entry names a place inside it."""

    path: Annotated[PathTarget | GlobTarget | SpecialTarget, Field(discriminator="type")]
    access: Literal["read", "write", "deny", "none"]
    missing_path_behavior: Literal["skip"] | None = None

    @model_validator(mode="after")
    def _patterns_only_deny(self) -> "Entry":
        if isinstance(self.path, GlobTarget) and self.access not in {"deny", "none"}:
            raise ValueError("a pattern can only deny")
        return self


class UnrestrictedFiles(Model):
    """Everything can be read and written."""

    type: Literal["unrestricted"]


class RestrictedFiles(Model):
    """What the entries say, and nothing else."""

    type: Literal["restricted"]
    entries: tuple[Entry, ...] = Field(default=(), max_length=ENTRY_LIMIT)
    glob_scan_max_depth: int | None = Field(default=None, ge=1)


class Disabled(Model):
    """No sandbox."""

    type: Literal["disabled"]


class External(Model):
    """Somebody else's sandbox is around us already."""

    type: Literal["external"]
    network: Network = "restricted"


class Managed(Model):
    """A sandbox of ours."""

    type: Literal["managed"]
    file_system: Annotated[UnrestrictedFiles | RestrictedFiles, Field(discriminator="type")]
    network: Network = "restricted"


Profile = Disabled | External | Managed
TaggedProfile = Annotated[Profile, Field(discriminator="type")]

_PROFILE: TypeAdapter[Profile] = TypeAdapter(TaggedProfile)


def parse_profile(document: str | bytes | Mapping[str, Any]) -> Profile:
    """Read a permission profile from JSON text or from what JSON text decodes to."""
    return validated(_PROFILE, document, "permission profile")
