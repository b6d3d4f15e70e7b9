"""Parts of a vendor tree that were built elsewhere, put together into one.

A part is a folder with a manifest, for one target or several. Every digest of every part is checked before anything is
copied and once more in the merged tree; two parts that hold the same target, versions that differ, or components that
were not made of one thing, this checkout's, are refused.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from shellbuild.cache import appearing_folder
from shellbuild.console import step
from shellbuild.errors import VendorError
from shellbuild.inspection import check_programs
from shellbuild.manifest import Manifest, VendoredFile, make_manifest, save_manifest, verify
from shellbuild.origins import origin_problems
from shellbuild.platforms import pick_platform
from shellbuild.project import VENDOR, load_project
from shellbuild.vendor.assemble import kept_files
from shellbuild.version import project_version

Part = tuple[Path, Manifest]


def merge_parts(folders: Sequence[Path], *, root: Path = VENDOR) -> Path:
    """Take the targets of these parts into the tree; give the path of the manifest."""
    version = project_version().semver
    with step(f"vendor: check {len(folders)} parts"):
        parts = check_parts(folders, version)
    files = [file for _, manifest in parts for file in manifest.files]
    kept = kept_files(root, {file.target for file in files}, version)
    whole = make_manifest(version, [*files, *kept])
    problems = origin_problems(whole.files)
    if problems:
        raise VendorError("\n".join([f"{root} with these parts would be of no one release:", *problems]))
    root.mkdir(parents=True, exist_ok=True)
    for folder, manifest in parts:
        for target in manifest.targets:
            _copy_target(folder, manifest.of(target), root, target)
    path = save_manifest(whole, root)
    verify(root, whole.targets)
    return path


def check_parts(folders: Sequence[Path], version: str) -> list[Part]:
    """Verify every part; raise VendorError with all that is wrong with any of them."""
    parts: list[Part] = []
    problems: list[str] = []
    holders: dict[str, Path] = {}
    for folder in folders:
        try:
            manifest = verify(folder)
            _check_programs(folder, manifest)
        except VendorError as error:
            problems.append(str(error))
            continue
        if manifest.version != version:
            problems.append(f"{folder} is of version {manifest.version}, this checkout is {version}")
        for target in manifest.targets:
            if target in holders:
                problems.append(f"{folder} and {holders[target]} both hold {target}")
            holders[target] = folder
        parts.append((folder, manifest))
    if problems:
        raise VendorError("these parts can't be merged:\n" + "\n".join(problems))
    return parts


def _check_programs(folder: Path, manifest: Manifest) -> None:
    for target in manifest.targets:
        programs = {file.path: folder / file.path for file in manifest.programs(target)}
        check_programs(programs, pick_platform(load_project().platforms, target))


def _copy_target(folder: Path, files: Sequence[VendoredFile], root: Path, target: str) -> None:
    with appearing_folder(root / target) as staging:
        for file in files:
            to = staging / Path(file.path).relative_to(target)
            for parent in reversed(to.relative_to(staging).parents):
                (staging / parent).mkdir(exist_ok=True)
                (staging / parent).chmod(0o755)
            shutil.copyfile(folder / file.path, to)
            to.chmod(file.permissions)
