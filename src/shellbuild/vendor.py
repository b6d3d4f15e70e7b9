"""The vendor tree: `vendor/<target>/<shell>/<variant>/`, filled from build results.

A shell's folder appears whole or stays as it was. Builds that are never shipped (unpatched, sanitizers) go to
`build/` in the same layout.
"""

import shutil
from pathlib import Path

from shellbuild.builder import BuildRequest
from shellbuild.cache import appearing_folder
from shellbuild.project import BUILD, VENDOR


def install_shell(request: BuildRequest, result: Path) -> Path:
    """Copy a result to its place and give the path of the shell there."""
    place = shell_folder(request)
    if not _same_build(place, result):
        with appearing_folder(place) as staging:
            shutil.copytree(result, staging, dirs_exist_ok=True, symlinks=True)
    return place / request.recipe.name


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


def _same_build(place: Path, result: Path) -> bool:
    try:
        return (place / "build.json").read_bytes() == (result / "build.json").read_bytes()
    except FileNotFoundError:
        return False
