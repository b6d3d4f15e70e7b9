"""Editing a patch: a work tree with the patch applied, and the edited patch written back.

The tree is a throw-away git repository below `build/refresh/` whose one commit holds everything before the last
patch of the series, so `git diff` in it is exactly that patch.
"""

import os
from pathlib import Path

from shellbuild.cache import appearing_folder
from shellbuild.errors import PatchError
from shellbuild.patching import Patch, apply_series, load_patch, no_repository
from shellbuild.process import capture
from shellbuild.project import BUILD, PATCHES, load_project
from shellbuild.sources import copy_tree, obtain_source


def open_tree(name: str, release: str | None, patch_name: str | None, source: str) -> Path:
    """Make the work tree of one patch (the series' first unless named) and give its path."""
    version, found = load_project().recipes[name].release(release)
    index = _index(found.patches, patch_name, name)
    folder = BUILD / "refresh" / f"{name}-{version}"
    if folder.exists():
        raise PatchError(f"{folder} is already open: finish it with --finish, or remove it")
    tree = obtain_source(name, version, found.sources, source)
    series = [load_patch(PATCHES / patch) for patch in found.patches[: index + 1]]
    with appearing_folder(folder) as staging:
        staging.rmdir()
        copy_tree(tree, staging)
        apply_series(series[:-1], staging)
        _commit_all(staging)
        apply_series(series[-1:], staging)
    return folder


def write_back(name: str, release: str | None, patch_name: str | None) -> Path:
    """Write the tree's difference back under the old header and give the patch's path."""
    version, found = load_project().recipes[name].release(release)
    folder = BUILD / "refresh" / f"{name}-{version}"
    if not (folder / ".git").is_dir():
        raise PatchError(f"{folder} is not open: start with `nox -s refresh_patch -- {name}`")
    patch = load_patch(PATCHES / found.patches[_index(found.patches, patch_name, name)])
    body = _git(folder, "diff", "--cached", "--no-color", "--no-ext-diff", "--no-renames", stage=True)
    if not body:
        raise PatchError(f"{folder} has no changes; the patch stays as it is")
    _replace(patch, body)
    return patch.path


def _index(patches: tuple[str, ...], wanted: str | None, name: str) -> int:
    if not patches:
        raise PatchError(f"recipes/{name}.toml: this release has no patches")
    if wanted is None:
        return 0
    if wanted not in patches:
        raise PatchError(f"no {wanted!r} in the series of {name}; there are {', '.join(patches)}")
    return patches.index(wanted)


def _commit_all(tree: Path) -> None:
    _git(tree, "init", "--quiet")
    _git(tree, "add", "--all", "--force")
    identity = ("-c", "user.name=shellbuild", "-c", "user.email=shellbuild@localhost")
    _git(tree, *identity, "commit", "--quiet", "--message", "before the patch")


def _git(tree: Path, *arguments: str, stage: bool = False) -> str:
    env = {**no_repository(tree), "HOME": os.devnull}
    if stage:
        capture(["git", "add", "--all", "--force"], cwd=tree, env=env)
    return capture(["git", *arguments], cwd=tree, env=env)


def _replace(patch: Patch, body: str) -> None:
    fresh = patch.path.with_name(f".{patch.path.name}.new")
    fresh.write_text(patch.header + body, encoding="utf-8")
    fresh.replace(patch.path)
