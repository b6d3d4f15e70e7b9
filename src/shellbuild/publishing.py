"""The last step of a release: hand `dist/` to npm and to a GitHub release. Everything is checked before anything leaves.

Authentication is the workflow's: npm exchanges its OIDC token (trusted publishing), `gh` reads GH_TOKEN.
PyPI has an action of its own for that.
"""

import base64
import hashlib
import os
from pathlib import Path

import click

from shellbuild.checksums import check_checksums
from shellbuild.console import echo, note
from shellbuild.errors import ReleaseError, StepError
from shellbuild.process import capture
from shellbuild.project import DIST, ROOT
from shellbuild.release_plan import PACKAGE, Plan, npm_name, plan_release
from shellbuild.version import UNPUBLISHED, repository

UPLOAD_S = 900.0


def publish_npm(tag: str, *, dry_run: bool, dist: Path = DIST) -> None:
    """Publish the npm tarball under the tag's dist-tag, with provenance; one that npm has already is a success."""
    plan = _ready_plan(tag, dist, dry_run=dry_run)
    if not plan.product.packaged:
        raise ReleaseError(f"{tag} releases a shell, which has no npm package")
    tarball = dist / npm_name(plan.version)
    command = ["npm", "publish", str(tarball), "--access", "public"]
    # A statement of provenance needs the workflow's identity, which a rehearsal elsewhere does not have.
    command += ["--tag", plan.dist_tag, "--dry-run" if dry_run else "--provenance"]
    echo(command)
    try:
        click.echo(capture(command, cwd=dist, deadline_s=UPLOAD_S), nl=False)
    except StepError:
        if not _npm_has(plan, tarball):
            raise
        note(f"npm has {plan.version.semver} already, with these bytes")


def _npm_has(plan: Plan, tarball: Path) -> bool:
    """Tell whether an earlier run, started again after it broke off, has published this very tarball."""
    asked = ["npm", "view", f"{PACKAGE}@{plan.version.semver}", "dist.integrity"]
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    try:
        return capture(asked).strip() == f"sha512-{base64.b64encode(digest).decode()}"
    except StepError:
        return False


def publish_github(tag: str, *, dry_run: bool, dist: Path = DIST) -> None:
    """Make the GitHub release of a tag that exists, with all of `dist/`."""
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
    command += ["--generate-notes", "--latest=false" if plan.version.alpha is not None else "--latest"]
    command += ["--prerelease"] if plan.version.alpha is not None else []
    command += [str(path) for path in sorted(dist.iterdir()) if path.is_file()]
    echo(command)
    if dry_run:
        note("a dry run: no release is made")
        return
    click.echo(capture(command, cwd=ROOT, deadline_s=UPLOAD_S), nl=False)


def _ready_plan(tag: str, dist: Path, *, dry_run: bool) -> Plan:
    plan = plan_release(tag, only_this_version=True)
    if not dry_run:
        require_own_repository()
    planned = [name for names in plan.files().values() for name in names]
    missing = [name for name in planned if not (dist / name).is_file()]
    if missing:
        raise ReleaseError(f"{dist} lacks {', '.join(missing)}: the release would not be whole")
    check_checksums(dist)
    return plan


def require_own_repository() -> None:
    """Refuse to release for another repository than the packages and DotSlash files name."""
    stated, running = repository(), os.environ.get("GITHUB_REPOSITORY")
    if stated.startswith(UNPUBLISHED) or running not in {None, stated}:
        raise ReleaseError(
            f"this is {running or 'no workflow'}, but the packages name {stated}:"
            " set `repository` under [tool.shellbuild] in pyproject.toml"
        )
