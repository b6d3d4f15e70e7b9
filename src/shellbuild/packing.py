"""The vendor tree as packages take it: whole, exactly what its manifest says, for every target, of this version."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from shellbuild.errors import PackageError
from shellbuild.manifest import Manifest, VendoredFile, verify
from shellbuild.origins import origin_problems
from shellbuild.platforms import Platform, pick_platform
from shellbuild.project import SHELLS, load_project
from shellbuild.version import as_release, project_version

OWN_LICENSE = "Apache-2.0"
RUNTIME_LICENSE = "MIT"
"""Of what the compiler links into every program: zig's runtime, and musl into those for Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTree:
    """A vendor tree, proven to be as its manifest says."""

    root: Path
    manifest: Manifest

    def files(self) -> list[tuple[Path, VendoredFile]]:
        """Give each file with where it is."""
        return [(self.root / file.path, file) for file in self.manifest.files]

    def of(self, target: str) -> "PackedTree":
        """Give the part of one target."""
        return PackedTree(root=self.root, manifest=self.manifest.restricted([target]))

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
        f"{row.target}: there is no {name}"
        for row in wanted
        for name in expected_programs(row)
        if not any(file.component == name for file in manifest.programs(row.target))
    ]
    problems += origin_problems(manifest.files)
    if made_for != project_version():
        problems.append(f"it is of version {made_for.semver}, this checkout is {project_version().semver}")
    if problems:
        raise PackageError("\n".join([f"{root} can't be packed; run `nox -s vendor`:", *problems]))
    return PackedTree(root=root, manifest=manifest)


def expected_programs(platform: Platform) -> list[str]:
    """Name the programs that a release has for a platform."""
    return [*SHELLS, *(program.name for program in load_project().native.programs_for(platform))]


def license_expression() -> str:
    """Give the SPDX expression of a package with programs inside, whatever platform they are for."""
    shells = [load_project().recipes[name] for name in SHELLS]
    linked = [load_project().recipes[name] for shell in shells for name in shell.depends]
    found = {recipe.license for recipe in (*shells, *linked)}
    return " AND ".join([OWN_LICENSE, *sorted({*found, RUNTIME_LICENSE} - {OWN_LICENSE})])
