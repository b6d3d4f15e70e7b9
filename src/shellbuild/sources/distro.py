"""The upstream tarball out of the distribution's own source package.

Which of the machine's mirrors and which suites to ask, which version of the package holds the pinned tarball, and
the proof of what came. The index only tells where a tarball lies: what counts is the recipe's SHA-256.
"""

import shutil
from pathlib import Path

from shellbuild.cache import remove_tree
from shellbuild.errors import SourceError
from shellbuild.recipe import DistroSource
from shellbuild.sources.apt import PackageFile, PrivateApt, private_apt
from shellbuild.sources.mirrors import machine_mirrors, this_distribution
from shellbuild.sources.store import accept_part, part_file, stored_tarball, tarball_lock

FRESH_S = 24 * 3600


def fetch_from_distro(source: DistroSource) -> Path:
    """Give the pinned tarball, from the cache or by apt; raise SourceError if no suite has it.

    1. Suites whose lists are a day old at most are asked as they are.
    2. Then one suite after another is refreshed, those with no or old lists first, until one has it.
    """
    with tarball_lock(source.sha256):
        stored = stored_tarball(source.sha256, source.size)
        if stored is not None:
            return stored
        if shutil.which("apt-get") is None:
            raise SourceError("this machine has no apt-get")
        suites = _suites(source)
        return _from_fresh_lists(source, suites) or _from_refreshed_lists(source, suites)


def _suites(source: DistroSource) -> list[PrivateApt]:
    distribution = this_distribution()
    listed = next((source.suites[name] for name in distribution.ids if name in source.suites), ())
    names = list(dict.fromkeys((*distribution.codenames, *listed)))
    if not names:
        raise SourceError(
            f"the recipe names no suite for {distribution.ids[0]}, and neither does /etc/os-release"
        )
    mirrors = machine_mirrors(names)
    return [private_apt(name, mirrors) for name in names]


def _from_fresh_lists(source: DistroSource, suites: list[PrivateApt]) -> Path | None:
    for apt in suites:
        with apt.lock():
            version = _version(source, apt) if apt.age_s() < FRESH_S else None
            # A newer version may have replaced the one in the lists: any problem ends in a refresh.
            if version and not _download(source, apt, version):
                return _accept(source, apt, version)
    return None


def _from_refreshed_lists(source: DistroSource, suites: list[PrivateApt]) -> Path:
    reasons = []
    for apt in sorted(suites, key=lambda apt: apt.age_s() < FRESH_S):
        with apt.lock():
            problem = apt.update()
            in_reach = apt.in_reach()
            version = _version(source, apt)
            if version:
                problem = _download(source, apt, version)
                if not problem:
                    return _accept(source, apt, version)
        reasons.append(f"{apt.suite}: {problem or 'other versions only'}")
        if not in_reach:
            break
    raise SourceError(f"{source.tarball} is in no suite ({'; '.join(reasons)})")


def _version(source: DistroSource, apt: PrivateApt) -> str | None:
    files = apt.package_files(source.package)
    return next((file.version for file in files if _is_pinned(file, source)), None)


def _is_pinned(file: PackageFile, source: DistroSource) -> bool:
    return (file.name, file.size, file.sha256) == (source.tarball, source.size, source.sha256)


def _download(source: DistroSource, apt: PrivateApt, version: str) -> str:
    """Leave the tarball as the finished part; give the problem if that fails."""
    folder = part_file(source.sha256).with_suffix(".apt")
    resumed = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    problem = apt.download_tarball(source.package, version, folder)
    tarball = folder / source.tarball
    if not problem and tarball.is_file():
        # Copied, since apt leaves a mere link where the mirror is a folder of this machine.
        shutil.copyfile(tarball, part_file(source.sha256))
        remove_tree(folder)
        return ""
    if resumed and apt.in_reach():
        remove_tree(folder)
        return _download(source, apt, version)
    if not tarball.exists():
        remove_tree(folder)
    return problem or f"apt-get left no {source.tarball}"


def _accept(source: DistroSource, apt: PrivateApt, version: str) -> Path:
    origin = f"{source.tarball} of {source.package} {version} in {apt.suite}"
    return accept_part(source.sha256, source.size, origin)
