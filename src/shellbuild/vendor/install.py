"""One shell that has just been built, put at its place.

A shell's folder appears whole or stays as it was. Builds that are never shipped (unpatched, sanitizers, older series)
go to `build/` in the same layout and with all that the build left.
"""

import shutil
from pathlib import Path

from shellbuild.builder import BuildRequest
from shellbuild.cache import appearing_folder
from shellbuild.project import BUILD, VENDOR
from shellbuild.vendor.content import Item, put_item, shell_items


def install_shell(request: BuildRequest, result: Path) -> Path:
    """Copy a result to its place and give the path of the shell there."""
    place = shell_folder(request)
    if is_shipped(request):
        _install_items(place, shell_items(request, result), place.relative_to(VENDOR).as_posix())
    elif not _same_build(place, result):
        with appearing_folder(place) as staging:
            shutil.copytree(result, staging, dirs_exist_ok=True, symlinks=True)
    return place / request.recipe.name


def is_shipped(request: BuildRequest) -> bool:
    """Whether a build is one that the vendor tree holds: the default series, patched, without checkers."""
    return request.patched and request.sanitize is None and request.version == request.recipe.default_release


def shell_folder(request: BuildRequest) -> Path:
    """Where the files of one shell build belong."""
    if request.sanitize is not None:
        root = BUILD / str(request.sanitize)
    elif request.patched:
        root = VENDOR
    else:
        root = BUILD / "unpatched"
    if request.version != request.recipe.default_release:
        # The vendor tree holds one version of a shell; older series are built for comparison only.
        root = BUILD / "releases" / request.version / root.name
    return root / request.platform.target / request.recipe.name / request.platform.variant


def _install_items(place: Path, items: list[Item], prefix: str) -> None:
    with appearing_folder(place) as staging:
        for item in items:
            put_item(item, staging / Path(item.path).relative_to(prefix), staging)


def _same_build(place: Path, result: Path) -> bool:
    try:
        return (place / "build.json").read_bytes() == (result / "build.json").read_bytes()
    except FileNotFoundError:
        return False
