"""The commands of a release, added to `shellbuild.cli`: plan, matrix, packages, DotSlash manifests, publishing, report.

Each prints its result on stdout; `--output NAME` hands it to a GitHub workflow as well.
"""

import json
from pathlib import Path
from typing import Any

import click

_PATH = click.Path(path_type=Path)
_OUTPUT = click.option("--output", metavar="NAME", help="Also set this output of the workflow's step.")


@click.command("release-plan")
@click.argument("tag")
@click.option("--this-version", is_flag=True, help="Insist that the tag is this checkout's version.")
@click.option("--from-here", is_flag=True, help="Insist that the packages name the repository this runs in.")
@_OUTPUT
def release_plan(tag: str, this_version: bool, from_here: bool, output: str | None) -> None:
    """Print as JSON what a tag releases, or say why it releases nothing."""
    from shellbuild.publishing import require_own_repository
    from shellbuild.release_plan import plan_release

    if from_here:
        require_own_repository()
    _print(plan_release(tag, only_this_version=this_version).as_json(), output)


@click.command()
@click.option("--os", "system", type=click.Choice(["linux", "macos"]), help="Only these targets.")
@_OUTPUT
def matrix(system: str | None, output: str | None) -> None:
    """Print the job matrix of the workflows as JSON."""
    from shellbuild.matrix import job_matrix

    _print(job_matrix(system), output)


@click.command()
def npm() -> None:
    """Pack the npm tarball from vendor/."""
    from shellbuild.npm import pack_npm

    click.echo(pack_npm())


@click.command()
@click.option("--target", multiple=True, help="Only the wheels of these targets; repeatable.")
def wheels(target: tuple[str, ...]) -> None:
    """Build the wheels and the sdist from vendor/."""
    from shellbuild.wheels import build_wheels

    for path in build_wheels(targets=target):
        click.echo(path)


@click.command()
@click.option("--release", metavar="TAG", help="Release to point at; by default this checkout's version.")
@click.option("--base-url", metavar="URL", help="Folder that serves the archives; by default the release's.")
@click.option("--digest", type=click.Choice(["blake3", "sha256"]), help="By default blake3.")
@click.option("--repository", metavar="OWNER/NAME", help="Who releases; by default who pyproject.toml names.")
@click.option("--check", is_flag=True, help="Change nothing; fail when a manifest is stale.")
def dotslash(
    release: str | None, base_url: str | None, digest: str | None, repository: str | None, check: bool
) -> None:
    """Write dotslash/bash and dotslash/zsh for the archives of a release, or compare them with it."""
    from shellbuild.dotslash import check_manifests, settings_for, write_manifests
    from shellbuild.release_files import Digest

    chosen = Digest(digest) if digest else None
    if check:
        for line in check_manifests(
            tag=release, base_url=base_url, digest=chosen, repository_name=repository
        ):
            click.echo(line)
        return
    settings = settings_for(
        release, base_url=base_url, digest=chosen or Digest.BLAKE3, repository_name=repository
    )
    for path in write_manifests(settings):
        click.echo(path)


@click.command()
@click.argument("registry", type=click.Choice(["npm", "github"]))
@click.argument("tag")
@click.option("--dry-run", is_flag=True, help="Do everything but the last step.")
def publish(registry: str, tag: str, dry_run: bool) -> None:
    """Publish what dist/ holds for a tag; PyPI's own action does the wheels."""
    from shellbuild.publishing import publish_github, publish_npm

    {"npm": publish_npm, "github": publish_github}[registry](tag, dry_run=dry_run)


@click.command()
@click.option("--release", metavar="TAG", help="Release to report on; by default this checkout's version.")
@click.option(
    "--previous", type=_PATH, help="The last release's manifest.json or npm tarball, to tell what changed."
)
@click.option("--since", metavar="DIST-TAG", help="Take the last release from npm instead, e.g. latest.")
def report(release: str | None, previous: Path | None, since: str | None) -> None:
    """Render dist/report.html."""
    from shellbuild.report import NOTHING_EARLIER, last_release, read_previous, write_report

    last, absent = last_release(since) if since and not previous else (None, NOTHING_EARLIER)
    if previous:
        last = read_previous(previous)
    click.echo(write_report(tag=release, previous=last, not_compared=absent))


@click.command("contract-kit")
@click.argument("targets", nargs=-1, metavar="TARGET...")
def contract_kit(targets: tuple[str, ...]) -> None:
    """Pack the shells of these targets (all by default), to be tested on a machine that runs them."""
    from shellbuild.contract_kit import pack_kit
    from shellbuild.project import load_project

    for target in targets or load_project().platforms:
        click.echo(pack_kit(target))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("kit", type=_PATH)
@click.argument("arguments", nargs=-1, metavar="[PYTEST ARGUMENT]...")
@click.pass_context
def contract(context: click.Context, kit: Path, arguments: tuple[str, ...]) -> None:
    """Run the contract tests on the shells of a kit."""
    from shellbuild.contract_kit import run_contract

    context.exit(run_contract(kit, arguments))


COMMANDS = (release_plan, matrix, npm, wheels, dotslash, publish, report, contract_kit, contract)


def _print(document: dict[str, Any], output: str | None) -> None:
    click.echo(json.dumps(document, indent=2))
    if output:
        from shellbuild.matrix import hand_over

        hand_over(output, document)
