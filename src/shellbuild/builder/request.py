"""What is to be built, and the digest of everything that goes into it.

Equal keys mean equal results: source, patches, recipe, toolchain, target and this package's own steps are in it;
the number of jobs, paths and times are not.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shellbuild.errors import UsageError
from shellbuild.patching import load_patch, series_digest
from shellbuild.platforms import Platform, pick_platform
from shellbuild.project import PATCHES, host_target, load_project
from shellbuild.recipe import Recipe, Release
from shellbuild.sanitize import Sanitize
from shellbuild.sources import Provider, candidates, identity
from shellbuild.toolchain import headers_digest, toolchain_identity


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build of one recipe for one platform."""

    recipe: Recipe
    version: str
    release: Release
    platform: Platform
    patched: bool = True
    sanitize: Sanitize | None = None
    source: str = "auto"
    jobs: int = 2

    @property
    def label(self) -> str:
        """Name of this build in logs and messages."""
        parts = [self.recipe.name, self.version, self.place]
        if not self.patched and self.release.patches:
            parts.append("unpatched")
        return "-".join(parts)

    @property
    def place(self) -> str:
        """The target, or for a build that only looks for faults, what it looks for."""
        return self.platform.target if self.sanitize is None else f"host-{self.sanitize}"

    def dependencies(self) -> "dict[str, BuildRequest]":
        """Builds whose results this one links with."""
        needed = {name: self._sibling(name, self.platform) for name in self.recipe.depends}
        native = load_project().platforms[host_target()]
        if self.platform != native:
            needed |= {f"{name}-native": self._sibling(name, native) for name in self.recipe.build_tools}
        return needed

    def _sibling(self, name: str, platform: Platform) -> "BuildRequest":
        recipe = load_project().recipes[name]
        version, release = recipe.release(None)
        # Faults are looked for in the shell itself; its libraries only need the same C library.
        sanitize = Sanitize.VALGRIND if self.sanitize else None
        return dataclasses.replace(
            self,
            recipe=recipe,
            version=version,
            release=release,
            platform=platform,
            sanitize=sanitize,
            source="auto",
        )

    def key(self, provider: Provider) -> str:
        """SHA-256 (hex) of all inputs when the source comes from `provider`; needs no network."""
        source = getattr(self.release.sources, provider.value)
        inputs = {
            "source": identity(source),
            "generated": getattr(source, "generated", ()),
            "patches": self._patches_digest(),
            "recipe": dataclasses.asdict(dataclasses.replace(self.recipe, releases={})),
            "version": self.version,
            "platform": dataclasses.asdict(self.platform),
            "toolchain": toolchain_identity(self.sanitize),
            "headers": headers_digest(self.platform),
            "sanitize": self.sanitize,
            "steps": steps_digest(),
            "depends": {
                name: sorted(request.keys().values()) for name, request in self.dependencies().items()
            },
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def keys(self) -> dict[Provider, str]:
        """Keys by every provider that may be used, in the order in which they are tried."""
        return {provider: self.key(provider) for provider in candidates(self.release.sources, self.source)}

    def _patches_digest(self) -> str:
        if not self.patched or not self.release.patches:
            return ""
        return series_digest([load_patch(PATCHES / name) for name in self.release.patches])


def make_request(
    name: str,
    *,
    release: str | None = None,
    target: str | None = None,
    patched: bool = True,
    sanitize: Sanitize | None = None,
    source: str = "auto",
    jobs: int = 2,
) -> BuildRequest:
    """Look everything up in the recipes; raise UsageError or RecipeError for unknown names."""
    project = load_project()
    if name not in project.recipes:
        raise UsageError(f"no recipe {name!r}; recipes/ has {', '.join(project.recipes)}")
    version, found = project.recipes[name].release(release)
    return BuildRequest(
        recipe=project.recipes[name],
        version=version,
        release=found,
        platform=pick_platform(project.platforms, target or host_target()),
        patched=patched,
        sanitize=sanitize,
        source=source,
        jobs=jobs,
    )


@cache
def steps_digest() -> str:
    """SHA-256 (hex) of the code that turns sources into results."""
    folder = Path(__file__).parent
    files = [*sorted(folder.glob("*.py")), folder.parent / "toolchain.py"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
