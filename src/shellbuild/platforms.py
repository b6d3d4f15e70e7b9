"""`recipes/platforms.toml`, the only list of platforms: one row a target triple, every other name a column."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, with_config

from shellbuild.errors import RecipeError, UsageError
from shellbuild.recipe import load_toml

_CONFIG = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One target and what each tool calls it."""

    target: str
    os: Literal["linux", "macos"]
    arch: Literal["x86_64", "aarch64"]
    variant: str
    """Folder below `vendor/<target>/<shell>/`."""
    zig_target: str
    configure_host: str
    dotslash: str
    npm_os: str
    npm_cpu: str
    wheel_tags: tuple[str, ...]
    runner: str
    """GitHub Actions runner on which the binaries run natively."""
    minimum_os: str | None = None
    """Lowest version of the system, where the programs state one."""
    cflags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTable:
    platform: tuple[Platform, ...]


def load_platforms(path: Path) -> dict[str, Platform]:
    """Read the table; raise RecipeError for a wrong or repeated row."""
    rows = load_toml(path, PlatformTable).platform
    repeated = sorted({row.target for row in rows if [r.target for r in rows].count(row.target) > 1})
    if repeated:
        raise RecipeError(str(path), [f"platform: {target} is listed twice" for target in repeated])
    return {row.target: row for row in rows}


def pick_platform(platforms: dict[str, Platform], target: str) -> Platform:
    """Give one row; raise UsageError with the known targets."""
    if target not in platforms:
        raise UsageError(f"no target {target!r}; recipes/platforms.toml has {', '.join(platforms)}")
    return platforms[target]
