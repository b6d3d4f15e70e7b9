"""Small vendor trees in the real layout: real programs of each target, a few data files, a true manifest."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

from shellbuild.manifest import VendoredFile, make_manifest, save_manifest
from shellbuild.platforms import Platform
from shellbuild.project import SHELLS, load_project
from shellbuild.version import project_version
from unit.shellbuild.trees import made_of

PLATFORMS = tuple(load_project().platforms.values())


def programs_of(row: Platform) -> list[str]:
    """Name all that ships for a platform."""
    return [*SHELLS, *(program.name for program in load_project().native.programs_for(row))]


def make_tree(root: Path, programs: Mapping[str, Mapping[str, Path]]) -> Path:
    """Write a tree with `programs[target][component]`, each at its place, and the manifest of it all."""
    files = [
        entry
        for row in PLATFORMS
        if row.target in programs
        for entry in _target(root, row, programs[row.target])
    ]
    save_manifest(make_manifest(project_version().semver, files), root)
    return root


def _target(root: Path, row: Platform, programs: Mapping[str, Path]) -> list[VendoredFile]:
    entries = []
    for component, program in programs.items():
        if component not in SHELLS:
            entries.append(put_file(root, row, component, component, program.read_bytes(), role="program"))
            continue
        folder = f"{component}/{row.variant}"
        entries += [
            put_file(root, row, component, f"{folder}/{component}", program.read_bytes(), role="program"),
            put_file(
                root, row, component, f"{folder}/licenses/{component}/COPYING", b"Terms.\n", role="license"
            ),
        ]
        if component == "zsh":
            functions = {"compinit": b"# nothing\n", "_path files": b"# an odd name\n", "_[": b"# odder\n"}
            entries += [
                put_file(root, row, component, f"{folder}/functions/{name}", text, role="data")
                for name, text in functions.items()
            ]
    return entries


def put_file(root: Path, row: Platform, component: str, name: str, data: bytes, *, role: str) -> VendoredFile:
    """Write one file below its target and give its row of the manifest."""
    path = root / row.target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if role == "program" else 0o644)
    return VendoredFile.model_validate(
        {
            "path": f"{row.target}/{name}",
            "target": row.target,
            "component": component,
            "role": role,
            "mode": "0755" if role == "program" else "0644",
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "blake3": blake3(data).hexdigest(),
            **made_of(component),
        }
    )
