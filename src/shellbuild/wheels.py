"""Wheels: one a target with its programs inside, the pure one, and the sdist, all through `python -m build`.

hatchling writes them; `scripts/hatch_build.py` only does what the plan made here says. Afterwards each wheel is opened
again: its name, its tag against the binaries, every vendored file's bytes and run bit, and `twine check --strict`.
https://packaging.python.org/specifications/binary-distribution-format/
"""

import hashlib
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from shellbuild.budgets import check_budgets
from shellbuild.console import step
from shellbuild.errors import PackageError
from shellbuild.manifest import NAME
from shellbuild.packing import PackedTree, complete_tree, license_expression
from shellbuild.platforms import Platform, pick_platform
from shellbuild.process import capture
from shellbuild.project import DIST, ROOT, VENDOR, load_project
from shellbuild.release_plan import sdist_name, wheel_name, wheel_tag
from shellbuild.version import project_version
from shellbuild.wheel_tags import check_tags
from shellbuild.whole_files import appearing_files

INSTALLED = "shelltool/vendor"
BUILD_S = 300.0

_PERMISSIONS = 0o777
_EPOCH = "1580601600"
"""hatchling's own default; set, so that the caller's SOURCE_DATE_EPOCH does not show in the bytes."""


def build_wheels(*, vendor: Path = VENDOR, dist: Path = DIST, targets: Iterable[str] = ()) -> list[Path]:
    """Make the wheels of the targets (all by default), the pure wheel and the sdist; give their paths in `dist`."""
    platforms = load_project().platforms
    wanted = [pick_platform(platforms, target) for target in targets] or list(platforms.values())
    whole = complete_tree(vendor, [row.target for row in wanted])
    trees = [(row, whole.of(row.target)) for row in wanted]
    with appearing_files(dist) as staging:
        made = [_platform_wheel(row, tree, staging) for row, tree in trees]
        with step("wheel: pure Python, and sdist"):
            made.append(_build("wheel", wheel_name(project_version(), None), staging))
            made.append(_build("sdist", sdist_name(project_version()), staging))
        capture([sys.executable, "-m", "twine", "check", "--strict", *made])
        check_budgets(made)
    return [dist / path.name for path in made]


def _platform_wheel(platform: Platform, tree: PackedTree, to: Path) -> Path:
    check_tags(platform, tree.programs())
    with step(f"wheel: {platform.target}"), tempfile.TemporaryDirectory(prefix="shellbuild-wheel-") as folder:
        manifest = Path(folder) / NAME
        manifest.write_text(tree.manifest.text(), encoding="utf-8")
        manifest.chmod(0o644)
        files = {str(path): f"{INSTALLED}/{file.path}" for path, file in tree.files()}
        plan = Path(folder) / "plan.json"
        wanted = {
            "tag": wheel_tag(platform),
            "license": license_expression(),
            "files": {**files, str(manifest): f"{INSTALLED}/{NAME}"},
        }
        plan.write_text(json.dumps(wanted), encoding="utf-8")
        wheel = _build("wheel", wheel_name(project_version(), platform), to, plan)
    check_contents(wheel, tree)
    return wheel


def _build(kind: str, name: str, to: Path, plan: Path | None = None) -> Path:
    environment = {key: value for key, value in os.environ.items() if key != "CODEX_WHEEL_PLAN"}
    environment |= {"SOURCE_DATE_EPOCH": _EPOCH} | ({"CODEX_WHEEL_PLAN": str(plan)} if plan else {})
    with tempfile.TemporaryDirectory(prefix=".wheel-", dir=to) as folder:
        capture(
            [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", folder, ROOT],
            env=environment,
            deadline_s=BUILD_S,
        )
        made = sorted(Path(folder).iterdir())
        if [path.name for path in made] != [name]:
            raise PackageError(f"build made {', '.join(path.name for path in made)}, expected {name}")
        return made[0].replace(to / name)


def check_contents(wheel: Path, tree: PackedTree) -> None:
    """Compare what a wheel holds below `shelltool/vendor` with the manifest, by bytes and run bits."""
    expected = {f"{INSTALLED}/{file.path}": (file.sha256, file.mode) for _, file in tree.files()}
    with zipfile.ZipFile(wheel) as archive:
        found = {
            info.filename: (
                hashlib.sha256(archive.read(info)).hexdigest(),
                f"{info.external_attr >> 16 & _PERMISSIONS:04o}",
            )
            for info in archive.infolist()
            if info.filename.startswith(f"{INSTALLED}/") and info.filename != f"{INSTALLED}/{NAME}"
        }
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        shown = ", ".join(wrong[:5])
        raise PackageError(f"{wheel.name}: {len(wrong)} files are not as the manifest says: {shown}")
