"""What each component of a release was made of: for all targets the same, and what this checkout makes it of.

A tree of parts can be true to its manifest, byte for byte, and still be no release: one target of an older patch, of
another compiler, or of another provider's source. The source archive would then not be that of its binaries.
"""

from collections.abc import Iterable

from shellbuild.builder.native import sources_digest
from shellbuild.manifest import VendoredFile
from shellbuild.patching import load_patch, series_digest
from shellbuild.project import PATCHES, load_project
from shellbuild.recipe import Sources
from shellbuild.sources import Provider, candidates, identity
from shellbuild.toolchain import zig_identity
from shellbuild.version import project_version

Facts = dict[str, str]


def origin_problems(files: Iterable[VendoredFile]) -> list[str]:
    """Name every component of which a target is of something else than this checkout's recipe, or than another target."""
    components: dict[str, list[VendoredFile]] = {}
    for file in files:
        components.setdefault(file.component, []).append(file)
    return [
        problem for component in sorted(components) for problem in _problems(component, components[component])
    ]


def origin_of(file: VendoredFile) -> Facts:
    """Give what a manifest's entry says that it was made of."""
    return {
        "version": file.upstream_version,
        "source": f"git:{file.commit}" if file.commit else f"sha256:{file.source_sha256}",
        "patch digest": file.patch_digest or "none",
        "toolchain": file.toolchain,
    }


def source_provider(shell: str, files: Iterable[VendoredFile]) -> Provider:
    """Give the provider that has what a shell was made of; `origin_problems` has to know of none with its files."""
    stated = {origin_of(file)["source"] for file in files if file.component == shell}
    _, release = load_project().recipes[shell].release(None)
    return next(name for name, pin in _pins(release.sources).items() if pin in stated)


def _problems(component: str, files: Iterable[VendoredFile]) -> list[str]:
    problems = []
    for what, known in _known_facts(component).items():
        targets: dict[str, set[str]] = {}
        for file in files:
            targets.setdefault(origin_of(file)[what], set()).add(file.target)
        others = sorted(targets.keys() - known)
        problems += [
            f"{', '.join(sorted(targets[value]))}: {component} is of {what} {value}, not {' or '.join(sorted(known))}"
            for value in others
        ]
        if not others and len(targets) > 1:
            shares = "; ".join(
                f"{value} for {', '.join(sorted(targets[value]))}" for value in sorted(targets)
            )
            problems.append(f"{component}: not of one {what}, but {shares}; build all with one --source")
    return problems


def _known_facts(component: str) -> dict[str, set[str]]:
    """Give what this checkout makes a component of; of its sources, any one that the recipe lists."""
    recipe = load_project().recipes.get(component)
    if recipe is None:
        version, pins, patches = project_version().semver, {f"sha256:{sources_digest()}"}, "none"
    else:
        version, release = recipe.release(None)
        pins = set(_pins(release.sources).values())
        patches = series_digest([load_patch(PATCHES / name) for name in release.patches])
    return {
        "version": {version},
        "source": pins,
        "patch digest": {patches},
        "toolchain": {zig_identity()},
    }


def _pins(sources: Sources) -> dict[Provider, str]:
    return {provider: identity(getattr(sources, provider.value)) for provider in candidates(sources)}
