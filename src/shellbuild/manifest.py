"""`vendor/manifest.json`: every file of the vendor tree, what it was made of and what it must be byte for byte.

Owns the format, reading, writing and the comparison with a tree; `vendor` makes the tree. Nothing here depends on when
or where the tree was built, so equal inputs give equal manifests. docs/building.md describes each key.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from blake3 import blake3
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shellbuild.errors import VendorError
from shellbuild.whole_files import write_whole

NAME = "manifest.json"
SCHEMA: Literal[1] = 1

Component = Literal[
    "bash",
    "zsh",
    "codex-execve-wrapper",
    "codex-linux-sandbox",
    "codex-process-supervisor",
    "codex-sandbox-files",
]
Role = Literal["program", "data", "license"]
Mode = Literal["0755", "0644"]
HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CommitId = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]

_REPAIR = "run `nox -s vendor`, or fetch the tree again"
_CHUNK_BYTES = 1 << 20
_RUN_BITS = 0o111


class VendoredFile(BaseModel):
    """One file of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str
    """Relative to the tree, with `/`."""
    target: str
    component: Component
    """What the file belongs to; a licence text belongs to each component that needs it."""
    role: Role
    mode: Mode
    upstream_version: str
    commit: CommitId | None
    """Commit of the upstream tree, where it came from git."""
    source_sha256: HexDigest | None = None
    """Digest of the upstream tarball, where it came from one; of our own sources, for our own programs."""
    patch_digest: HexDigest | None
    """Digest over the patch series; null for our own programs."""
    size: Annotated[int, Field(ge=0)]
    sha256: HexDigest
    blake3: HexDigest
    toolchain: str

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == NAME:
            raise ValueError("must be a plain path below the tree")
        return path

    @model_validator(mode="after")
    def _below_its_target(self) -> Self:
        if PurePosixPath(self.path).parts[0] != self.target:
            raise ValueError(f"{self.path} does not lie below {self.target}/")
        return self

    @property
    def permissions(self) -> int:
        """Give the mode as a number."""
        return int(self.mode, 8)


class Manifest(BaseModel):
    """The whole tree, its files sorted by path."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_: Literal[1] = Field(alias="schema")
    version: str
    """Version of this project."""
    files: tuple[VendoredFile, ...]

    @model_validator(mode="after")
    def _sorted_once(self) -> Self:
        paths = [file.path for file in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("files: must be sorted by path, each once")
        return self

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Targets of which there is any file, sorted."""
        return tuple(sorted({file.target for file in self.files}))

    def of(self, *targets: str) -> tuple[VendoredFile, ...]:
        """Give the files of some targets."""
        return tuple(file for file in self.files if file.target in targets)

    def programs(self, target: str) -> tuple[VendoredFile, ...]:
        """Give the programs of one target."""
        return tuple(file for file in self.of(target) if file.role == "program")

    def restricted(self, targets: Iterable[str]) -> "Manifest":
        """Give the manifest of a part of the tree."""
        return make_manifest(self.version, self.of(*targets))

    def text(self) -> str:
        """Render the file: one line a vendored file, so that a change reads well as a diff."""
        rows = ",\n".join(file.model_dump_json() for file in self.files)
        head = f'{{"schema": {SCHEMA}, "version": "{self.version}", "files": ['
        return f"{head}\n{rows}\n]}}\n"


def make_manifest(version: str, files: Iterable[VendoredFile]) -> Manifest:
    """Make a manifest, the files in its order."""
    return Manifest(schema=SCHEMA, version=version, files=tuple(sorted(files, key=lambda file: file.path)))


def load_manifest(root: Path) -> Manifest:
    """Read the manifest of a tree; raise VendorError with every problem in it."""
    path = root / NAME
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise VendorError(f"{path} can't be read: {_REPAIR}") from error
    except ValidationError as error:
        problems = "\n".join(_problem(item["loc"], item["msg"]) for item in error.errors()[:20])
        raise VendorError(f"{path} is not a manifest of ours:\n{problems}") from error


def save_manifest(manifest: Manifest, root: Path) -> Path:
    """Write the manifest of a tree, whole or not at all."""
    return write_whole(root / NAME, manifest.text())


def verify(root: Path, targets: Iterable[str] = ()) -> Manifest:
    """Give the manifest of a tree that is exactly what it says; raise VendorError with all that is not.

    With `targets`, each of them must be in the tree, and only their files are looked at.
    """
    manifest = load_manifest(root)
    wanted = tuple(targets)
    problems = [
        f"{target}: the manifest has no such target" for target in wanted if target not in manifest.targets
    ]
    looked_at = wanted or manifest.targets
    files = {file.path: file for file in manifest.of(*looked_at)}
    present = dict(_walk(root, looked_at if wanted else None))
    problems += [f"{path}: is not in the manifest" for path in sorted(present.keys() - files.keys())]
    for path, file in files.items():
        problems += _differences(file, present.get(path))
    if problems:
        raise VendorError(f"{root} is not what its manifest says; {_REPAIR}:\n" + "\n".join(problems))
    return manifest


def digests(path: Path) -> tuple[int, str, str]:
    """Measure a file: size, sha256, blake3."""
    sha256, other, size = hashlib.sha256(), blake3(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha256.update(chunk)
            other.update(chunk)
            size += len(chunk)
    return size, sha256.hexdigest(), other.hexdigest()


def _walk(root: Path, targets: Iterable[str] | None) -> Iterator[tuple[str, Path]]:
    tops = [root] if targets is None else [root / target for target in targets]
    for top in tops:
        for folder, folders, names in os.walk(top):
            # A link to a folder is a thing that the manifest does not know, so it counts as a file.
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in (*names, *links):
                path = Path(folder) / name
                relative = path.relative_to(root).as_posix()
                if relative != NAME:
                    yield relative, path


def _differences(file: VendoredFile, path: Path | None) -> Iterator[str]:
    if path is None:
        yield f"{file.path}: is missing"
        return
    if path.is_symlink() or not path.is_file():
        yield f"{file.path}: is not a plain file"
        return
    size, sha256, other = digests(path)
    if size != file.size:
        yield f"{file.path}: has {size} bytes, the manifest says {file.size}"
    elif sha256 != file.sha256:
        yield f"{file.path}: has sha256 {sha256}, the manifest says {file.sha256}"
    elif other != file.blake3:
        yield f"{file.path}: has blake3 {other}, the manifest says {file.blake3}"
    mode = path.stat().st_mode
    if file.mode == "0755" and mode & _RUN_BITS != _RUN_BITS:
        yield f"{file.path}: lost its run bit"
    if file.mode == "0644" and mode & _RUN_BITS:
        yield f"{file.path}: can be run, but is no program"


def _problem(location: tuple[int | str, ...], message: str) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"  {place or '(file)'}: {message}"
