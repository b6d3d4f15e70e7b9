"""`recipes/native.toml`: our own programs in C, and on which systems each of them exists."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, with_config

from shellbuild.errors import RecipeError
from shellbuild.platforms import Platform
from shellbuild.recipe import FileName, load_toml

_CONFIG = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class NativeProgram:
    """One program of ours."""

    name: FileName
    source: FileName
    """The C file in `native/` that includes the rest."""
    os: tuple[Literal["linux", "macos"], ...]
    """Systems for which it is built."""


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class NativeRecipe:
    """Everything that is known about building our own programs."""

    license: str
    """SPDX expression."""
    license_files: tuple[str, ...]
    """Paths in the checkout; they travel with every artefact."""
    cflags: tuple[str, ...] = ()
    """Flags besides the toolchain's own."""
    allowed_libraries: dict[str, tuple[str, ...]]
    """Dynamic libraries a program may name, by the platform's `os`."""
    program: tuple[NativeProgram, ...]

    def programs_for(self, platform: Platform) -> tuple[NativeProgram, ...]:
        """Give the programs that exist on a platform."""
        return tuple(program for program in self.program if platform.os in program.os)


def load_native(path: Path, *, sources: Path) -> NativeRecipe:
    """Read the recipe; raise RecipeError for a missing source and a name that stands twice."""
    recipe = load_toml(path, NativeRecipe)
    names = [program.name for program in recipe.program]
    problems = [f"program: {name} is listed twice" for name in sorted(set(names)) if names.count(name) > 1]
    problems += [
        f"program[{index}].source: no file {sources / program.source}"
        for index, program in enumerate(recipe.program)
        if not (sources / program.source).is_file()
    ]
    if problems:
        raise RecipeError(str(path), problems)
    return recipe
