"""From build results to a vendor tree that is exactly what its manifest says.

1. Build what the cache lacks. 2. Inspect every program. 3. Replace each target's folder whole, where anything differs.
4. Write the manifest, which keeps what it knew of other targets as long as that is still true. 5. Verify the tree
against it.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from shellbuild.builder import build, make_request
from shellbuild.builder.native import build_native, make_native_request
from shellbuild.cache import appearing_folder
from shellbuild.console import note, show_table, step
from shellbuild.errors import VendorError
from shellbuild.inspection import check_programs
from shellbuild.manifest import (
    NAME,
    Manifest,
    VendoredFile,
    load_manifest,
    make_manifest,
    save_manifest,
    verify,
)
from shellbuild.platforms import Platform, pick_platform
from shellbuild.project import BUILD, SHELLS, VENDOR, load_project
from shellbuild.sources import AUTO
from shellbuild.vendor.builds import build_all
from shellbuild.vendor.content import Item, native_items, put_item, shell_items
from shellbuild.version import project_version

TIMES = BUILD / "vendor-times.json"


def assemble(targets: Iterable[str] = (), *, jobs: int, source: str = AUTO, root: Path = VENDOR) -> Path:
    """Build and lay out these targets, all by default, from one provider's sources; give the path of the manifest."""
    project = load_project()
    platforms = [pick_platform(project.platforms, target) for target in targets] or [
        *project.platforms.values()
    ]
    names = [platform.target for platform in platforms]
    build_all(names, jobs=jobs, source=source)
    root.mkdir(parents=True, exist_ok=True)
    files: list[VendoredFile] = []
    with step("vendor: inspect and lay out"):
        for platform in platforms:
            items = _items(platform, source)
            check_programs({item.path: item.source for item in items if item.role == "program"}, platform)
            files += lay_out(root, platform.target, items)
    version = project_version().semver
    manifest = make_manifest(version, [*files, *kept_files(root, names, version)])
    path = save_manifest(manifest, root)
    verify(root, manifest.targets)
    _write_times(names, source)
    _show(manifest)
    return path


def lay_out(root: Path, target: str, items: Iterable[Item]) -> list[VendoredFile]:
    """Replace the folder of a target by these files, unless it is just them already, and give their entries.

    The copies are compared with these when the whole tree is verified.
    """
    entries = [item.describe(item.source) for item in items]
    if _is_laid_out(root, target, entries):
        return entries
    with appearing_folder(root / target) as staging:
        for item in items:
            put_item(item, staging / Path(item.path).relative_to(target), staging)
    return entries


def _is_laid_out(root: Path, target: str, entries: list[VendoredFile]) -> bool:
    try:
        present = verify(root, [target]).of(target)
    except VendorError:
        return False
    return sorted(present, key=lambda file: file.path) == sorted(entries, key=lambda file: file.path)


def kept_files(root: Path, replaced: Iterable[str], version: str) -> tuple[VendoredFile, ...]:
    """Give the entries of the targets that stay; one that is no longer as the manifest says is left out, with a note."""
    if not (root / NAME).is_file():
        return ()
    known = load_manifest(root)
    if known.version != version:
        note(f"{root / NAME}: of version {known.version}, so other targets have to be built again")
        return ()
    kept: list[VendoredFile] = []
    for target in known.targets:
        if target in replaced:
            continue
        try:
            kept += verify(root, [target]).of(target)
        except VendorError as error:
            note(f"{target}: left out of the manifest: {error}")
    return tuple(kept)


def _items(platform: Platform, source: str) -> list[Item]:
    native = make_native_request(platform.target)
    items = native_items(native, build_native(native))
    for shell in SHELLS:
        request = make_request(shell, target=platform.target, source=source)
        items += shell_items(request, build(request))
    return items


def _write_times(targets: Iterable[str], source: str) -> None:
    """Write down how long each build took when it was built; apart from the manifest, which no time changes."""
    rows = []
    for target in targets:
        results = {shell: build(make_request(shell, target=target, source=source)) for shell in SHELLS}
        results["native"] = build_native(make_native_request(target))
        for component, result in results.items():
            seconds = json.loads((result / "build.json").read_text(encoding="utf-8"))["seconds"]
            rows.append({"target": target, "component": component, "seconds": seconds})
    TIMES.parent.mkdir(parents=True, exist_ok=True)
    TIMES.write_text(json.dumps({"schema": 1, "builds": rows}, indent=2) + "\n", encoding="utf-8")


def _show(manifest: Manifest) -> None:
    rows = [
        [file.path, f"{file.size:,}", file.sha256[:16]] for file in manifest.files if file.role == "program"
    ]
    show_table("vendor/", ["program", "bytes", "sha256"], rows)
