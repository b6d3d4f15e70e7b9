"""What of a build's result ships, where it lies in the vendor tree, and what the manifest says of its origin.

Licence texts come along with each component: its own, those of the libraries linked into it, and, because their code
is in every program too, those of the C library and of zig's runtime.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from shellbuild.builder import BuildRequest, build
from shellbuild.builder.native import NativeRequest
from shellbuild.builder.zsh import SHIPPED
from shellbuild.errors import VendorError
from shellbuild.manifest import Component, Mode, Role, VendoredFile, digests
from shellbuild.patching import load_patch, series_digest
from shellbuild.platforms import Platform
from shellbuild.project import PATCHES, ROOT
from shellbuild.toolchain import zig_program
from shellbuild.version import project_version

OWN_LICENSES = "codex-shell-tool-mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a component was made of."""

    component: Component
    upstream_version: str
    commit: str | None
    source_sha256: str | None
    patch_digest: str | None
    toolchain: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file that ships."""

    path: str
    """In the vendor tree."""
    target: str
    source: Path
    role: Role
    origin: Origin

    @property
    def mode(self) -> Mode:
        """Give the mode that the file has everywhere."""
        return "0755" if self.role == "program" else "0644"

    def describe(self, placed: Path) -> VendoredFile:
        """Give the manifest's entry of the file where it was put."""
        size, sha256, blake3 = digests(placed)
        return VendoredFile(
            path=self.path,
            target=self.target,
            component=self.origin.component,
            role=self.role,
            mode=self.mode,
            upstream_version=self.origin.upstream_version,
            commit=self.origin.commit,
            source_sha256=self.origin.source_sha256,
            patch_digest=self.origin.patch_digest,
            size=size,
            sha256=sha256,
            blake3=blake3,
            toolchain=self.origin.toolchain,
        )


def shell_items(request: BuildRequest, result: Path) -> list[Item]:
    """Give the files of a shell that ship."""
    origin = _shell_origin(request, result)
    folder = f"{request.platform.target}/{request.recipe.name}/{request.platform.variant}"
    files: dict[str, tuple[Path, Role]] = {
        request.recipe.name: (result / request.recipe.name, "program"),
        **{f"functions/{path.name}": (path, "data") for path in _shipped_functions(result)},
        **_license_files(request, result),
    }
    return [
        Item(path=f"{folder}/{name}", target=request.platform.target, source=source, role=role, origin=origin)
        for name, (source, role) in files.items()
    ]


def native_items(request: NativeRequest, result: Path) -> list[Item]:
    """Give our own programs of a platform and their licence texts."""
    record = json.loads((result / "build.json").read_text(encoding="utf-8"))
    target = request.platform.target
    items = []
    for program in request.recipe.programs_for(request.platform):
        origin = Origin(
            component=_component(program.name),
            upstream_version=project_version().semver,
            commit=None,
            source_sha256=record["source"].removeprefix("sha256:"),
            patch_digest=None,
            toolchain=record["toolchain"],
        )
        source = result / program.name
        path = f"{target}/{program.name}"
        items.append(Item(path=path, target=target, source=source, role="program", origin=origin))
    texts = {
        f"licenses/{OWN_LICENSES}/{Path(name).name}": ROOT / name for name in request.recipe.license_files
    }
    texts |= runtime_licenses(request.platform)
    return items + [
        Item(path=f"{target}/{name}", target=target, source=text, role="license", origin=items[0].origin)
        for name, text in texts.items()
    ]


def put_item(item: Item, to: Path, root: Path) -> None:
    """Copy one file, with modes that the umask has no part in; folders down from `root`."""
    for folder in reversed(to.relative_to(root).parents):
        (root / folder).mkdir(exist_ok=True)
        (root / folder).chmod(0o755)
    shutil.copyfile(item.source, to)
    to.chmod(int(item.mode, 8))


def runtime_licenses(platform: Platform) -> dict[str, Path]:
    """Give the licence texts of what the toolchain links into every program, by their place below a component."""
    zig = zig_program().parent
    texts = {"licenses/zig/LICENSE": zig / "LICENSE"}
    if platform.os == "linux":
        texts["licenses/musl/COPYRIGHT"] = zig / "lib" / "libc" / "musl" / "COPYRIGHT"
    return texts


def _license_files(request: BuildRequest, result: Path) -> dict[str, tuple[Path, Role]]:
    linked = [
        build(found) for name, found in request.dependencies().items() if name in request.recipe.depends
    ]
    texts = {
        path.relative_to(folder).as_posix(): path
        for folder in (result, *linked)
        for path in sorted((folder / "licenses").glob("*/*"))
    }
    return {name: (path, "license") for name, path in (texts | runtime_licenses(request.platform)).items()}


def _shipped_functions(result: Path) -> list[Path]:
    listed = result / SHIPPED
    if not listed.is_file():
        return []
    return [result / "functions" / name for name in listed.read_text(encoding="utf-8").splitlines()]


def _shell_origin(request: BuildRequest, result: Path) -> Origin:
    record = json.loads((result / "build.json").read_text(encoding="utf-8"))
    kind, _, pin = record["source"].partition(":")
    patches = [load_patch(PATCHES / name) for name in request.release.patches]
    return Origin(
        component=_component(request.recipe.name),
        upstream_version=request.version,
        commit=pin if kind == "git" else None,
        source_sha256=pin if kind == "sha256" else None,
        patch_digest=series_digest(patches),
        toolchain=record["toolchain"],
    )


def _component(name: str) -> Component:
    if name not in get_args(Component):
        raise VendorError(
            f"{name} has no place in the manifest; add it to Component in src/shellbuild/manifest.py"
        )
    return cast("Component", name)
