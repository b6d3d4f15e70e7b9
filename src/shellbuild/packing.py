"""The vendor tree as packages take it: whole, exactly what its manifest says, for every target, of this version."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from shellbuild.errors import PackageError
from shellbuild.manifest import Manifest, VendoredFile, verify
from shellbuild.platforms import Platform, pick_platform
from shellbuild.project import SHELLS, load_project
from shellbuild.version import as_release, project_version

OWN_LICENSE = "Apache-2.0"
MUSL_LICENSE = "MIT"
"""Of the C library that is linked into the Linux programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTree:
    """A vendor tree, proven to be as its manifest says."""

    root: Path
    manifest: Manifest

    def files(self) -> list[tuple[Path, VendoredFile]]:
        """Give each file with where it is."""
        return [(self.root / file.path, file) for file in self.manifest.files]

    def programs(self) -> list[Path]:
        """Give the programs."""
        return [path for path, file in self.files() if file.role == "program"]


def complete_tree(root: Path, targets: Iterable[str]) -> PackedTree:
    """Give the part of a tree for these targets; raise VendorError or PackageError naming all that is wrong with it."""
    platforms = load_project().platforms
    wanted = [pick_platform(platforms, target) for target in targets]
    manifest = verify(root, [row.target for row in wanted]).restricted(row.target for row in wanted)
    made_for = as_release(Version(manifest.version))
    problems = [
        f"{target.target}: there is no {shell}"
        for target in wanted
        for shell in SHELLS
        if not any(file.component == shell for file in manifest.programs(target.target))
    ]
    if made_for != project_version():
        problems.append(f"it is of version {made_for.semver}, this checkout is {project_version().semver}")
    if problems:
        raise PackageError("\n".join([f"{root} can't be packed; run `nox -s vendor`:", *problems]))
    return PackedTree(root=root, manifest=manifest)


def license_expression(*platforms: Platform) -> str:
    """Give the SPDX expression of a package with the programs of these platforms inside."""
    shells = [load_project().recipes[name] for name in SHELLS]
    linked = [load_project().recipes[name] for shell in shells for name in shell.depends]
    found = {recipe.license for recipe in (*shells, *linked)}
    if any(row.os == "linux" for row in platforms):
        found.add(MUSL_LICENSE)
    return " AND ".join([OWN_LICENSE, *sorted(found - {OWN_LICENSE})])
