"""`dist/codex-<shell>-<version>-<target>.tar.gz`: one shell for one target, made from the vendor tree, deterministic.

Layout: `codex-<shell>/bin/` holds what the shell's folder in the vendor tree holds, so that zsh finds its functions
beside itself; licence texts lie in `codex-<shell>/licenses/`. `codex-zsh-functions-<version>.tar.gz` is unpacked over a
zsh archive and completes its function library.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from shellbuild.budgets import check_budgets
from shellbuild.builder import build, make_request
from shellbuild.console import show_table, step
from shellbuild.manifest import Manifest, digests
from shellbuild.packing import complete_tree
from shellbuild.project import DIST, VENDOR, host_target, load_project
from shellbuild.release_plan import archive_name, default_tag, functions_name, plan_release
from shellbuild.tarball import Member, write_tarball


def write_archives(
    targets: Iterable[str] = (), *, tag: str | None = None, vendor: Path = VENDOR, dist: Path = DIST
) -> list[Path]:
    """Pack these targets, all by default, from a vendor tree that is whole and as its manifest says; give the archives.

    A tag names the shells and the version of the release, by default this checkout's own.
    """
    plan = plan_release(tag or default_tag())
    wanted = tuple(targets) or tuple(load_project().platforms)
    manifest = complete_tree(vendor, wanted).manifest
    made = []
    with step("archives: pack the shells"):
        for target in wanted:
            for shell in plan.product.shells:
                path = dist / archive_name(shell, plan.version, target)
                made.append(write_tarball(path, shell_members(manifest, vendor, target, shell)))
        if "zsh" in plan.product.shells:
            made.append(write_tarball(dist / functions_name(plan.version), function_members()))
    check_budgets(made)
    show_table(
        "dist/",
        ["archive", "bytes", "sha256"],
        [[path.name, f"{digests(path)[0]:,}", digests(path)[1][:16]] for path in made],
    )
    return made


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


def function_members() -> list[Member]:
    """Give zsh's whole function library, which is the same for every target."""
    result = build(make_request("zsh", target=host_target()))
    folders = {"functions": "codex-zsh/bin/functions", "licenses/zsh": "codex-zsh/licenses/zsh"}
    return [
        Member(name=f"{place}/{path.name}", content=path.read_bytes())
        for folder, place in folders.items()
        for path in sorted((result / folder).iterdir())
    ]
