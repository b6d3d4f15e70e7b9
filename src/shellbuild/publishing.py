"""The last step of a release: hand `dist/` to npm and to a GitHub release. Everything is checked before anything leaves.

Authentication is the workflow's: npm exchanges its OIDC token (trusted publishing), `gh` reads GH_TOKEN.
PyPI has an action of its own for that.
"""

import os
from pathlib import Path

import click

from shellbuild.checksums import check_checksums, require_planned
from shellbuild.console import echo, note
from shellbuild.errors import ReleaseError
from shellbuild.npm_registry import integrity_of, published_integrity
from shellbuild.process import capture
from shellbuild.project import DIST, ROOT
from shellbuild.release_plan import Plan, npm_name, plan_release
from shellbuild.version import UNPUBLISHED, repository

UPLOAD_S = 900.0


def publish_npm(tag: str, *, dry_run: bool, dist: Path = DIST) -> None:
    """Publish the npm tarball under the tag's dist-tag, with provenance, unless the registry has just that one already."""
    plan = _ready_plan(tag, dist, dry_run=dry_run)
    if not plan.product.packaged:
        raise ReleaseError(f"{tag} releases a shell, which has no npm package")
    tarball = dist / npm_name(plan.version)
    if _is_published(tarball, f"{plan.product.name}@{plan.version.semver}"):
        return
    command = ["npm", "publish", str(tarball), "--access", "public"]
    # A statement of provenance needs the workflow's identity, which a rehearsal elsewhere does not have.
    command += ["--tag", plan.dist_tag, "--dry-run" if dry_run else "--provenance"]
    echo(command)
    click.echo(capture(command, cwd=dist, deadline_s=UPLOAD_S), nl=False)


def publish_github(tag: str, *, dry_run: bool, dist: Path = DIST) -> None:
    """Make the GitHub release of a tag that exists, with all that it releases."""
    plan = _ready_plan(tag, dist, dry_run=dry_run)
    command = [
        "gh",
        "release",
        "create",
        tag,
        "--verify-tag",
        "--title",
        f"{plan.product.name} {plan.version.semver}",
    ]
    is_stable = plan.version.alpha is None
    # Else a release of one shell would be what GitHub offers as the newest of the whole project.
    command += ["--generate-notes", "--latest" if is_stable and plan.product.packaged else "--latest=false"]
    command += [] if is_stable else ["--prerelease"]
    command += [str(dist / name) for name in sorted(plan.file_names())]
    echo(command)
    if dry_run:
        note("a dry run: no release is made")
        return
    click.echo(capture(command, cwd=ROOT, deadline_s=UPLOAD_S), nl=False)


def _ready_plan(tag: str, dist: Path, *, dry_run: bool) -> Plan:
    plan = plan_release(tag, only_this_version=True)
    if not dry_run:
        require_own_repository()
    planned = plan.file_names()
    missing = [name for name in planned if not (dist / name).is_file()]
    if missing:
        raise ReleaseError(f"{dist} lacks {', '.join(missing)}: the release would not be whole")
    check_checksums(dist)
    require_planned(plan, dist)
    return plan


def _is_published(tarball: Path, package: str) -> bool:
    """Whether an earlier try got this far; raise ReleaseError where the registry has other bytes under that version."""
    published = published_integrity(package)
    if published is None:
        return False
    if published != integrity_of(tarball):
        raise ReleaseError(
            f"npm has {package} already, as {published}, and {tarball} is {integrity_of(tarball)}:"
            " a version is not replaced; release the next one"
        )
    note(f"npm has {package} already, the same bytes: nothing to do")
    return True


def require_own_repository() -> None:
    """Refuse to release for another repository than the packages and DotSlash files name."""
    stated, running = repository(), os.environ.get("GITHUB_REPOSITORY")
    if stated.startswith(UNPUBLISHED) or running not in {None, stated}:
        raise ReleaseError(
            f"this is {running or 'no workflow'}, but the packages name {stated}:"
            " set `repository` under [tool.shellbuild] in pyproject.toml"
        )
