"""Small vendor trees with a true manifest, for tests."""

from collections.abc import Mapping
from pathlib import Path

from shellbuild.builder.native import sources_digest
from shellbuild.manifest import VendoredFile, digests, make_manifest, save_manifest
from shellbuild.patching import load_patch, series_digest
from shellbuild.project import PATCHES, load_project
from shellbuild.toolchain import zig_identity
from shellbuild.version import project_version

LINUX = "x86_64-unknown-linux-musl"
ARM = "aarch64-unknown-linux-musl"

FILES = {
    "bash/static/bash": ("bash", "program", b"\x7fELF bash"),
    "bash/static/licenses/bash/COPYING": ("bash", "license", b"text\n"),
    "zsh/static/functions/compinit": ("zsh", "data", b"# compinit\n"),
    "zsh/static/zsh": ("zsh", "program", b"\x7fELF zsh"),
}
WHOLE = FILES | {
    program.name: (program.name, "program", b"\x7fELF helper") for program in load_project().native.program
}
"""With all that a Linux target has."""


def made_of(component: str) -> dict[str, str | None]:
    """Give what a manifest says of a component that this checkout made, from the distribution's source."""
    recipe = load_project().recipes.get(component)
    facts = {"commit": None, "toolchain": zig_identity()}
    if recipe is None:
        own = {"upstream_version": project_version().semver, "source_sha256": sources_digest()}
        return facts | own | {"patch_digest": None}
    version, release = recipe.release(None)
    assert release.sources.distro
    return facts | {
        "upstream_version": version,
        "source_sha256": release.sources.distro.sha256,
        "patch_digest": series_digest([load_patch(PATCHES / name) for name in release.patches]),
    }


def git_commit(shell: str) -> str:
    """Give the commit that a recipe pins besides the distribution's source."""
    _, release = load_project().recipes[shell].release(None)
    assert release.sources.git
    return release.sources.git.commit


def entry(root: Path, target: str, name: str, component: str, role: str) -> VendoredFile:
    """Describe a file that is there."""
    size, sha256, blake3 = digests(root / target / name)
    return VendoredFile.model_validate(
        {
            "path": f"{target}/{name}",
            "target": target,
            "component": component,
            "role": role,
            "mode": "0755" if role == "program" else "0644",
            "size": size,
            "sha256": sha256,
            "blake3": blake3,
            **made_of(component),
        }
    )


def make_tree(
    root: Path,
    *targets: str,
    version: str = "0.1.0",
    content: Mapping[str, tuple[str, str, bytes]] = FILES,
) -> Path:
    """Write a tree of these targets and its manifest."""
    entries = []
    for target in targets:
        row = load_project().platforms.get(target)
        for listed, (component, role, data) in content.items():
            name = listed.replace("static", row.variant if row else "static")
            path = root / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o755 if role == "program" else 0o644)
            entries.append(entry(root, target, name, component, role))
    save_manifest(make_manifest(version, entries), root)
    return root
