"""`dist/codex-<shell>-<version>-<target>.tar.gz`: one shell for one target, made from the vendor tree, deterministic.

Layout: `codex-<shell>/bin/` holds what the shell's folder in the vendor tree holds, so that zsh finds its functions
beside itself; licence texts lie in `codex-<shell>/licenses/`. `codex-zsh-functions-<version>.tar.gz` is unpacked over a
zsh archive and completes its function library.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from shellbuild.budgets import check_budgets
from shellbuild.builder import build, make_request
from shellbuild.console import show_table, step
from shellbuild.manifest import Manifest, digests, load_manifest
from shellbuild.origins import source_provider
from shellbuild.packing import complete_tree
from shellbuild.project import DIST, VENDOR, host_target, load_project
from shellbuild.release_plan import Plan, archive_name, default_tag, functions_name, plan_release
from shellbuild.tarball import Member, write_tarball
from shellbuild.whole_files import appearing_files


def write_archives(
    targets: Iterable[str] = (), *, tag: str | None = None, vendor: Path = VENDOR, dist: Path = DIST
) -> list[Path]:
    """Pack these targets, all by default, from a vendor tree that is whole and as its manifest says; give the archives.

    A tag names the shells and the version of the release, by default this checkout's own.
    """
    plan = plan_release(tag or default_tag())
    wanted = tuple(targets) or tuple(load_project().platforms)
    manifest = complete_tree(vendor, wanted).manifest
    names = []
    with step("archives: pack the shells"), appearing_files(dist) as staging:
        for target in wanted:
            for shell in plan.product.shells:
                names.append(archive_name(shell, plan.version, target))
                write_tarball(staging / names[-1], shell_members(manifest, vendor, target, shell))
        if "zsh" in plan.product.shells:
            names.append(functions_name(plan.version))
            write_tarball(staging / names[-1], function_members(source_provider("zsh", manifest.files)))
        check_budgets(staging / name for name in names)
    made = [dist / name for name in names]
    show_table(
        "dist/",
        ["archive", "bytes", "sha256"],
        [[path.name, f"{digests(path)[0]:,}", digests(path)[1][:16]] for path in made],
    )
    return made


def stale_archives(plan: Plan, shell: str, *, vendor: Path, dist: Path) -> list[str]:
    """Name the archives in `dist` that are not what a vendor tree gives; nothing is said of targets that it lacks."""
    names = {target: archive_name(shell, plan.version, target) for target in load_manifest(vendor).targets}
    present = {target: name for target, name in names.items() if (dist / name).is_file()}
    if not present:
        return []
    manifest = complete_tree(vendor, present).manifest
    with tempfile.TemporaryDirectory(prefix="shellbuild-archives-") as folder:
        return [
            name
            for target, name in present.items()
            if write_tarball(Path(folder) / name, shell_members(manifest, vendor, target, shell)).read_bytes()
            != (dist / name).read_bytes()
        ]


def shell_members(manifest: Manifest, vendor: Path, target: str, shell: str) -> list[Member]:
    """Give the members of one shell's archive."""
    variant = load_project().platforms[target].variant
    folder = PurePosixPath(target, shell, variant)
    members = []
    for file in manifest.of(target):
        if file.component != shell:
            continue
        inner = PurePosixPath(file.path).relative_to(folder)
        top = PurePosixPath(f"codex-{shell}") / ("" if file.role == "license" else "bin")
        source = vendor / file.path
        members.append(Member(name=str(top / inner), content=source.read_bytes(), mode=file.permissions))
    return members


def function_members(source: str) -> list[Member]:
    """Give zsh's whole function library of a provider's source; it is the same for every target."""
    result = build(make_request("zsh", target=host_target(), source=source))
    folders = {"functions": "codex-zsh/bin/functions", "licenses/zsh": "codex-zsh/licenses/zsh"}
    return [
        Member(name=f"{place}/{path.name}", content=path.read_bytes())
        for folder, place in folders.items()
        for path in sorted((result / folder).iterdir())
    ]
