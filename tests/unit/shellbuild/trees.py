"""Small vendor trees with a true manifest, for tests."""

from pathlib import Path

from shellbuild.manifest import VendoredFile, digests, make_manifest, save_manifest
from shellbuild.project import load_project

LINUX = "x86_64-unknown-linux-musl"
ARM = "aarch64-unknown-linux-musl"

FILES = {
    "bash/static/bash": ("bash", "program", b"\x7fELF bash"),
    "bash/static/licenses/bash/COPYING": ("bash", "license", b"text\n"),
    "zsh/static/functions/compinit": ("zsh", "data", b"# compinit\n"),
    "zsh/static/zsh": ("zsh", "program", b"\x7fELF zsh"),
}


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
            "upstream_version": load_project().recipes[component].default_release,
            "commit": None,
            "source_sha256": "a" * 64,
            "patch_digest": "b" * 64,
            "size": size,
            "sha256": sha256,
            "blake3": blake3,
            "toolchain": "ziglang 0",
        }
    )


def make_tree(root: Path, *targets: str, version: str = "0.1.0") -> Path:
    """Write a tree of these targets and its manifest."""
    entries = []
    for target in targets:
        for name, (component, role, content) in FILES.items():
            path = root / target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755 if role == "program" else 0o644)
            entries.append(entry(root, target, name, component, role))
    save_manifest(make_manifest(version, entries), root)
    return root
