"""The npm tarball: the vendor tree and a small JavaScript API, packed by the real `npm pack`.

Static files and templates are in `packaging/npm/`. What npm packed is opened again and compared with what was
staged, file by file: an allow-list alone would not notice a file that npm leaves out (`npm help pack`).
"""

import hashlib
import json
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from shellbuild.budgets import check_budgets
from shellbuild.console import step
from shellbuild.errors import PackageError
from shellbuild.manifest import NAME
from shellbuild.packing import PackedTree, complete_tree, license_expression
from shellbuild.platforms import Platform
from shellbuild.process import capture
from shellbuild.project import DIST, ROOT, VENDOR, load_project
from shellbuild.release_plan import PACKAGE, npm_name
from shellbuild.templates import PACKAGING, render
from shellbuild.version import project_version, repository

STATIC = ("README.md", "index.cjs", "index.mjs", "start.cjs")
TYPES = ("index.d.cts", "index.d.mts")
PROGRAMS = ("bin/codex-bash.cjs", "bin/codex-zsh.cjs")
DESCRIPTION = "Patched bash and zsh that hand every exec to a wrapper, for Linux and macOS."
PACK_S = 300.0

_TOP = "package"

Contents = dict[str, tuple[int, str]]
"""Mode and sha256 of each file by its path."""


def pack_npm(*, vendor: Path = VENDOR, dist: Path = DIST) -> Path:
    """Make the tarball for all targets and give its path in `dist`."""
    platforms = tuple(load_project().platforms.values())
    tree = complete_tree(vendor, tuple(row.target for row in platforms))
    dist.mkdir(parents=True, exist_ok=True)
    with step("npm: stage and pack"), tempfile.TemporaryDirectory(prefix=".npm-", dir=dist) as folder:
        stage = Path(folder) / _TOP
        stage_package(tree, platforms, stage)
        tarball = run_pack(stage, Path(folder))
        check_tarball(tarball, contents_of(stage))
        named = tarball.replace(tarball.with_name(npm_name(project_version())))
        check_budgets([named])
        return named.replace(dist / named.name)


def stage_package(tree: PackedTree, platforms: Sequence[Platform], stage: Path) -> None:
    """Lay out the package with the modes that it has everywhere, whatever this process's umask is."""
    for name in (*STATIC, *PROGRAMS):
        _put(stage / name, (PACKAGING / "npm" / name).read_bytes(), 0o755 if name in PROGRAMS else 0o644)
    _put(stage / "LICENSE", (ROOT / "LICENSE").read_bytes())
    _put(stage / "platforms.json", platform_table(platforms).encode())
    for name in TYPES:
        _put(stage / name, render("npm/index.d.ts.j2", platforms=platforms).encode())
    _put(stage / "package.json", package_json().encode())
    _put(stage / "vendor" / NAME, tree.manifest.text().encode())
    for path, file in tree.files():
        _put(stage / "vendor" / file.path, path.read_bytes(), file.permissions)


def package_json() -> str:
    """Render the package's description; `files` lists what goes in besides what npm always takes."""
    return render(
        "npm/package.json.j2",
        name=PACKAGE,
        version=project_version().semver,
        description=DESCRIPTION,
        license=license_expression(),
        # npm takes a statement of provenance only where this is the repository that it states.
        repository=repository(),
        files=sorted(("platforms.json", "vendor/", *TYPES, *PROGRAMS, *STATIC, "LICENSE")),
    )


def platform_table(platforms: Sequence[Platform]) -> str:
    """Render what index.cjs looks a machine up in, by Node's names of it."""
    table = {
        f"{row.npm_os}-{row.npm_cpu}": {"target": row.target, "variant": row.variant} for row in platforms
    }
    return json.dumps(table, indent=2) + "\n"


def run_pack(stage: Path, folder: Path) -> Path:
    """Run `npm pack` with nothing of the user's npm settings; give the one tarball that it made."""
    packed = folder / "packed"
    packed.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "npm_config_cache": str(folder / "cache"),
        "npm_config_update_notifier": "false",
    }
    capture(
        ["npm", "pack", "--ignore-scripts", "--offline", "--pack-destination", packed],
        cwd=stage,
        env=environment,
        deadline_s=PACK_S,
    )
    made = sorted(packed.iterdir())
    if len(made) != 1:
        raise PackageError(f"npm pack left {len(made)} files in {packed}, expected one tarball")
    return made[0]


def contents_of(stage: Path) -> Contents:
    """Read back what was staged."""
    return {
        str(path.relative_to(stage)): (path.stat().st_mode & 0o777, _sha256(path.read_bytes()))
        for path in stage.rglob("*")
        if path.is_file()
    }


def check_tarball(tarball: Path, expected: Contents) -> None:
    """Raise PackageError unless the tarball holds exactly these files with these modes and bytes."""
    found: Contents = {}
    with tarfile.open(tarball) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            name = member.name.removeprefix(f"{_TOP}/")
            found[name] = (member.mode, _sha256(stream.read() if stream else b""))
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        shown = ", ".join(wrong[:5])
        raise PackageError(
            f"npm pack left out, added or changed {len(wrong)} files: {shown}; see packaging/npm/package.json.j2"
        )


def _put(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
