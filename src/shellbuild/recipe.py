"""The recipe format: what to fetch, patch, configure and expect, as frozen dataclasses.

`recipes/<name>.toml` is read once by `load_recipe`; unknown keys, missing digests and wrong types are all
reported at once, with file and key path. The JSON schema in `docs/recipe.schema.json` is generated from here.
"""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from shellbuild.errors import RecipeError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="lower-case hex SHA-256")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="full commit id, never a branch or tag")]
Bytes = Annotated[int, Field(gt=0, description="exact size in bytes")]
HttpsUrl = Annotated[str, Field(pattern=r"^https://", description="https only")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$", description="a bare file name")]

_CONFIG = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
M = TypeVar("M")


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A commit of a git repository."""

    repository: HttpsUrl
    commit: Commit
    generated: tuple[str, ...] = ()
    """Files the tree ships ready-made; their times are set past their inputs so that make leaves them alone."""
    needs: tuple[str, ...] = ()
    """Programs that a tree from git needs and a release archive doesn't, because generated files are missing."""


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSource:
    """A release archive."""

    url: HttpsUrl
    sha256: Sha256
    size: Bytes


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class DistroSource:
    """The upstream tarball inside a distribution's source package."""

    package: str
    tarball: FileName
    sha256: Sha256
    size: Bytes
    suites: dict[str, tuple[str, ...]]
    """Suites to look in, by the distribution's ID of /etc/os-release; the machine's own comes first anyway."""


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where one release can be had, tried in this order."""

    git: GitSource | None = None
    archive: ArchiveSource | None = None
    distro: DistroSource | None = None


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One upstream version that we build."""

    patches: tuple[FileName, ...] = ()
    """Patch series in `patches/`, applied in order with zero fuzz."""
    sources: Sources
    unstable_tests: dict[str, str] = field(default_factory=dict)
    """Upstream test scripts whose output differs between two runs of the unpatched shell, with the reason."""


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """What configure and make are given, beyond what the toolchain gives."""

    arguments: tuple[str, ...] = ()
    cflags: tuple[str, ...] = ()
    make: tuple[str, ...] = ()
    """Extra arguments of make."""
    site: dict[str, str] = field(default_factory=dict)
    """Answers that configure can't find by running, as a CONFIG_SITE file."""


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Additions for some platforms; later values of one site key win."""

    platforms: tuple[str, ...]
    configure: Configure


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that is known about building one upstream project."""

    name: FileName
    homepage: HttpsUrl
    license: str
    """SPDX expression."""
    license_files: tuple[str, ...]
    """Paths in the source tree; they travel with every artefact."""
    default_release: str
    depends: tuple[str, ...] = ()
    """Recipes whose result this one links with."""
    build_tools: tuple[str, ...] = ()
    """Recipes whose native result holds programs that a cross build runs."""
    excluded_modules: tuple[str, ...] = ()
    """zsh only: modules of config.modules that are not linked in; all others are."""
    shipped_functions: tuple[str, ...] = ()
    """zsh only: patterns, in the source tree, of the functions that the vendor tree takes."""
    configure: Configure
    overrides: tuple[Override, ...] = ()
    outputs: tuple[str, ...]
    """Files, below the result folder, that the build must leave."""
    allowed_libraries: dict[str, tuple[str, ...]]
    """Dynamic libraries a result may name, by the platform's `os`."""
    releases: dict[str, Release]

    def release(self, version: str | None) -> tuple[str, Release]:
        """Give the release named, or the default one; raise RecipeError for an unknown name."""
        wanted = version or self.default_release
        if wanted not in self.releases:
            raise RecipeError(
                f"recipes/{self.name}.toml",
                [f"releases: no {wanted!r}; there are {', '.join(self.releases)}"],
            )
        return wanted, self.releases[wanted]

    def configure_for(self, target: str) -> Configure:
        """Merge the configure settings with the overrides of one target."""
        parts = [self.configure, *(o.configure for o in self.overrides if target in o.platforms)]
        return Configure(
            arguments=tuple(a for part in parts for a in part.arguments),
            cflags=tuple(a for part in parts for a in part.cflags),
            make=tuple(a for part in parts for a in part.make),
            site={key: value for part in parts for key, value in part.site.items()},
        )


def load_toml(path: Path, model: type[M]) -> M:
    """Read one TOML table into a frozen dataclass; raise RecipeError with every problem in the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(str(path), [str(error)]) from error
    try:
        # JSON mode: strict about types, and arrays become tuples.
        return TypeAdapter(model).validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise RecipeError(
            str(path), [_problem(item["loc"], item["msg"]) for item in error.errors()]
        ) from error


def load_recipe(path: Path, *, targets: frozenset[str], patches: Path) -> Recipe:
    """Read a recipe and check what it refers to: its own name, releases, targets and patch files."""
    recipe = load_toml(path, Recipe)
    problems = [*_release_problems(recipe, patches), *_override_problems(recipe, targets)]
    if recipe.name != path.stem:
        problems.append(f"name: {recipe.name!r} is not the file's name")
    if problems:
        raise RecipeError(str(path), problems)
    return recipe


def _release_problems(recipe: Recipe, patches: Path) -> list[str]:
    problems = []
    if recipe.default_release not in recipe.releases:
        problems.append(f"default_release: no release {recipe.default_release!r}")
    for name, release in recipe.releases.items():
        if release.sources == Sources():
            problems.append(f"releases.{name}.sources: needs git, archive or distro")
        problems += [
            f"releases.{name}.patches[{index}]: no file {patches / patch}"
            for index, patch in enumerate(release.patches)
            if not (patches / patch).is_file()
        ]
    return problems


def _override_problems(recipe: Recipe, targets: frozenset[str]) -> list[str]:
    return [
        f"overrides[{index}].platforms: {target!r} is not in platforms.toml"
        for index, override in enumerate(recipe.overrides)
        for target in override.platforms
        if target not in targets
    ]


def _problem(location: tuple[str | int, ...], message: str) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{path.lstrip('.') or '(file)'}: {message}"
