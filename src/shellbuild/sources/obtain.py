"""From a recipe's sources to a proven tree: which provider to ask, in which order, and what to say on the way.

Knows no protocol and no format; `git`, `archive`, `distro` and `unpack` do the work.
"""

import shutil
from pathlib import Path

from shellbuild.console import note
from shellbuild.errors import SourceError, UsageError
from shellbuild.recipe import ArchiveSource, DistroSource, GitSource, Sources
from shellbuild.sources.distro import fetch_from_distro
from shellbuild.sources.git import fetch_tree, tree_name
from shellbuild.sources.store import discard_tarball, stored_tarball, tarball_lock
from shellbuild.sources.tree import Provider, SourceTree, cached_tree, make_tree
from shellbuild.sources.unpack import unpack

AUTO = "auto"

Source = GitSource | ArchiveSource | DistroSource


def identity(source: Source) -> str:
    """Name what a source pins, without fetching it."""
    return f"git:{source.commit}" if isinstance(source, GitSource) else f"sha256:{source.sha256}"


def candidates(sources: Sources, wanted: str = AUTO) -> list[Provider]:
    """Give the providers to try, in order; raise UsageError if the recipe lacks the wanted one."""
    listed = [provider for provider in Provider if _source(sources, provider) is not None]
    if wanted == AUTO:
        return listed
    if wanted not in set(Provider):
        raise UsageError(f"no source provider {wanted!r}; there are auto, {', '.join(Provider)}")
    if wanted not in listed:
        raise UsageError(f"the recipe has no {wanted} source for this release; it has {', '.join(listed)}")
    return [Provider(wanted)]


def obtain_source(name: str, release: str, sources: Sources, wanted: str = AUTO) -> SourceTree:
    """Give a proven tree from the first provider that can; a note a line says why the others could not.

    What the cache holds comes first, so a second build asks nobody.
    """
    order = sorted(candidates(sources, wanted), key=lambda provider: not _is_cached(sources, provider))
    for index, provider in enumerate(order):
        is_last = index == len(order) - 1
        try:
            return _obtain(f"{name} {release}", provider, _source(sources, provider), hurry=not is_last)
        except SourceError as error:
            reason = f"{name} {release}: no source from {provider}: {_one_line(error)}"
            if len(order) == 1:
                raise SourceError(reason) from error.__cause__
            note(reason)
    raise SourceError(f"{name} {release}: no source from {', '.join(order)}; see the reasons above")


def _source(sources: Sources, provider: Provider) -> Source | None:
    by_provider = {
        Provider.GIT: sources.git,
        Provider.ARCHIVE: sources.archive,
        Provider.DISTRO: sources.distro,
    }
    return by_provider[provider]


def _is_cached(sources: Sources, provider: Provider) -> bool:
    source = _source(sources, provider)
    if source is None:
        return False
    if isinstance(source, GitSource):
        return cached_tree(tree_name(source)) is not None
    with tarball_lock(source.sha256):
        return stored_tarball(source.sha256, source.size) is not None


def _obtain(title: str, provider: Provider, source: Source | None, *, hurry: bool) -> SourceTree:
    match source:
        case GitSource():
            absent = [program for program in source.needs if shutil.which(program) is None]
            if absent:
                # Before anything is fetched: the build of such a tree could only fail.
                raise SourceError(
                    f"a tree from git lacks files that a release ships; install {', '.join(absent)} to make them"
                )
            path = make_tree(tree_name(source), lambda to: fetch_tree(source, to, hurry=hurry))
            return SourceTree(path=path, provider=provider, identity=identity(source), original=None)
        case ArchiveSource():
            # Late: requests takes a fifth of a second to load, and a cached build asks nobody.
            from shellbuild.sources.archive import fetch_archive

            return _unpacked(provider, source, fetch_archive(source, hurry=hurry))
        case DistroSource():
            return _unpacked(provider, source, fetch_from_distro(source))
        case None:
            raise UsageError(f"the recipe has no {provider} source for {title}")


def _unpacked(provider: Provider, source: ArchiveSource | DistroSource, tarball: Path) -> SourceTree:
    try:
        path = make_tree(f"sha256-{source.sha256}", lambda to: unpack(tarball, to))
    except SourceError:
        discard_tarball(source.sha256)
        raise
    return SourceTree(path=path, provider=provider, identity=identity(source), original=tarball)


def _one_line(error: SourceError) -> str:
    return " ".join(str(error).split())
