"""The checkout as data: its folders, platforms and recipes, loaded once."""

import platform as host
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shellbuild.errors import UsageError
from shellbuild.native_recipe import NativeRecipe, load_native
from shellbuild.platforms import Platform, load_platforms
from shellbuild.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
PATCHES = ROOT / "patches"
NATIVE = ROOT / "native"
BUILD = ROOT / "build"
VENDOR = ROOT / "vendor"
DIST = ROOT / "dist"

SHELLS = ("bash", "zsh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """All platforms by target, all recipes by name, our own programs."""

    platforms: dict[str, Platform]
    recipes: dict[str, Recipe]
    native: NativeRecipe


@cache
def load_project() -> Project:
    """Read `recipes/`; raise RecipeError for the first file that is wrong."""
    platforms = load_platforms(RECIPES / "platforms.toml")
    names = sorted(path.stem for path in RECIPES.glob("*.toml") if path.stem not in {"native", "platforms"})
    targets = frozenset(platforms)
    return Project(
        platforms=platforms,
        native=load_native(RECIPES / "native.toml", sources=NATIVE),
        recipes={
            name: load_recipe(RECIPES / f"{name}.toml", targets=targets, patches=PATCHES) for name in names
        },
    )


def host_target() -> str:
    """Give the target whose binaries run on this machine; raise UsageError where there is none."""
    system = {"Linux": "linux", "Darwin": "macos"}.get(host.system())
    arch = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}.get(
        host.machine()
    )
    for row in load_project().platforms.values():
        if (row.os, row.arch) == (system, arch):
            return row.target
    raise UsageError(f"no platform in recipes/platforms.toml runs on {host.system()} {host.machine()}")
