"""The commands from builds to release files, added to `shellbuild.cli`: vendor tree, archives, sums, reproduce.

Each prints the files it made on stdout, one a line.
"""

import os
from pathlib import Path

import click

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_TARGET = click.option("--target", multiple=True, help="Only this target triple; repeatable.")


@click.group(invoke_without_command=True)
@_TARGET
@click.option(
    "--source",
    type=click.Choice(["auto", "git", "archive", "distro"]),
    default="auto",
    show_default=True,
    help="For all shells.",
)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="number of cores")
@click.pass_context
def vendor(ctx: click.Context, target: tuple[str, ...], source: str, jobs: int) -> None:
    r"""Build all that ships, for all targets, two builds at a time, into vendor/ with its manifest.

    \b
    Examples:
      shellbuild vendor --source distro
      shellbuild vendor --target aarch64-apple-darwin
      shellbuild vendor merge parts/*
    """
    if ctx.invoked_subcommand is None:
        from shellbuild.vendor.assemble import assemble

        click.echo(assemble(target, jobs=jobs, source=source))


@vendor.command("merge")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
def merge(folders: tuple[Path, ...]) -> None:
    """Take vendor trees that were built elsewhere into vendor/, every digest checked."""
    from shellbuild.vendor.merge import merge_parts

    click.echo(merge_parts(folders))


@vendor.command("check")
@_TARGET
def check(target: tuple[str, ...]) -> None:
    """Compare vendor/ with its manifest, and say all that differs."""
    from shellbuild.manifest import verify
    from shellbuild.project import VENDOR

    manifest = verify(VENDOR, target)
    click.echo(f"{len(manifest.files)} files are as vendor/manifest.json says")


@click.command()
@_TARGET
@click.option("--release", metavar="TAG", help="Release to pack for; by default this checkout's version.")
def archives(target: tuple[str, ...], release: str | None) -> None:
    """Pack the shells' archives, their exact sources and the SBOM from vendor/."""
    from shellbuild.archives import write_archives
    from shellbuild.sbom import write_sbom
    from shellbuild.source_archives import write_source_archives

    made = [
        *write_archives(target, tag=release),
        *write_source_archives(tag=release),
        write_sbom(tag=release),
    ]
    click.echo("\n".join(map(str, made)))


@click.command()
@click.option(
    "--release", metavar="TAG", help="Release that dist/ holds; by default this checkout's version."
)
@click.option("--check", is_flag=True, help="Change nothing; fail when dist/ is not what SHA256SUMS says.")
def checksums(release: str | None, check: bool) -> None:
    """Write dist/SHA256SUMS over all that lies in dist/."""
    from shellbuild.checksums import check_checksums, write_checksums
    from shellbuild.release_plan import default_tag, plan_release

    if check:
        check_checksums()
        return
    click.echo(write_checksums(plan=plan_release(release or default_tag())))


@click.command()
@_TARGET
@click.option("--keep", is_flag=True, help="Keep both builds to look at; each is a checkout of its own.")
def reproduce(target: tuple[str, ...], keep: bool) -> None:
    """Build and pack everything twice under conditions as different as can be, and compare every byte."""
    from shellbuild.reproduce import reproduce_all

    click.echo(reproduce_all(target, keep=keep))


@click.command("contract-root", context_settings={"ignore_unknown_options": True})
@click.option("--root", type=click.Choice(["busybox", "debian"]), default="busybox", show_default=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def contract_root(root: str, arguments: tuple[str, ...]) -> None:
    """Run the contract tests in a root folder of another kind; further options go to pytest."""
    from shellbuild.contract_root import Root, run_contract_in_root

    raise SystemExit(run_contract_in_root(arguments, root=Root(root)))


COMMANDS = (vendor, archives, checksums, reproduce, contract_root)
