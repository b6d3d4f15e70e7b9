"""`python -m shellbuild`: the only place that turns an error into an exit status.

Results go to stdout (the last line is the path asked for), everything else to stderr.
"""

import json
import os
import signal
import subprocess
import sys
from types import FrameType

import click

from shellbuild import cli_release, cli_vendor
from shellbuild.console import note, show_error
from shellbuild.errors import ShellBuildError
from shellbuild.sanitize import Sanitize

INTERRUPTED = 130
TERMINATED = 143

# The imports inside the commands keep a cached build well under a second.


class Commands(click.Group):
    """A group whose errors are printed as a chain of causes and whose exit statuses are the errors' own."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; exit with the error's own status when it fails."""
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except ShellBuildError as error:
            show_error(error)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            note("interrupted; nothing half-built was kept")
            sys.exit(INTERRUPTED)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # As an exception, so that every `finally` removes what it made.
    sys.exit(TERMINATED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Build patched shells from recipes and prove that they are what they claim."""


for command in (*cli_vendor.COMMANDS, *cli_release.COMMANDS):
    main.add_command(command)


@main.command()
@click.argument("name", type=click.Choice(["bash", "zsh", "ncurses", "native"]))
@click.option("--target", help="Target triple of recipes/platforms.toml; default: this machine's.")
@click.option("--release", help="Release of the recipe, e.g. 5.2.37; default: the recipe's own.")
@click.option(
    "--source", type=click.Choice(["auto", "git", "archive", "distro"]), default="auto", show_default=True
)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="number of cores")
@click.option("--unpatched", is_flag=True, help="Build upstream's own shell, for comparison.")
@click.option(
    "--sanitize", type=click.Choice([str(s) for s in Sanitize]), help="Look for faults with the host's gcc."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was built as JSON instead of its path.")
@click.option("--no-install", is_flag=True, help="Leave the result in the cache and print its folder.")
def build(
    name: str,
    target: str | None,
    release: str | None,
    source: str,
    jobs: int,
    unpatched: bool,
    sanitize: str | None,
    as_json: bool,
    no_install: bool,
) -> None:
    r"""Build one shell and print its path.

    \b
    Examples:
      shellbuild build bash
      shellbuild build zsh --target aarch64-unknown-linux-musl
      shellbuild build bash --release 5.2.37 --unpatched
    """
    from shellbuild import builder
    from shellbuild.vendor.install import install_shell

    if name == "native":
        click.echo(builder.build_native(builder.make_native_request(target)))
        return
    request = builder.make_request(
        name,
        release=release,
        target=target,
        patched=not unpatched,
        sanitize=Sanitize(sanitize) if sanitize else None,
        source=source,
        jobs=jobs,
    )
    result = builder.build(request)
    path = result if no_install or name == "ncurses" else install_shell(request, result)
    record = json.loads((result / "build.json").read_text(encoding="utf-8"))
    click.echo(json.dumps({"path": str(path), **record}, indent=2) if as_json else str(path))


@main.command()
@click.argument("name")
@click.option("--release", help="Release of the recipe; default: the recipe's own.")
@click.option(
    "--source", type=click.Choice(["auto", "git", "archive", "distro"]), default="auto", show_default=True
)
def fetch(name: str, release: str | None, source: str) -> None:
    """Fetch a source tree into the cache and print its path."""
    from shellbuild import builder, sources

    request = builder.make_request(name, release=release)
    click.echo(sources.obtain_source(name, request.version, request.release.sources, source).path)


@main.command()
def demo() -> None:
    """Build bash and show it intercepting commands."""
    from shellbuild import builder
    from shellbuild.demo import show_interception

    sys.exit(show_interception(builder.build_shell("bash")))


@main.command("check-patches")
@click.option(
    "--shell", type=click.Choice(["bash", "zsh"]), multiple=True, help="Only this shell; repeatable."
)
def check_patches(shell: tuple[str, ...]) -> None:
    """Apply and compile every release's patch series."""
    from shellbuild import builder
    from shellbuild.project import SHELLS, load_project

    for name in shell or SHELLS:
        for release in load_project().recipes[name].releases:
            builder.build_shell(name, release=release)
            note(f"{name} {release}: the series applies and compiles")


@main.command("check-answers")
@click.option(
    "--shell", type=click.Choice(["bash", "zsh"]), multiple=True, help="Only this shell; repeatable."
)
def check_answers(shell: tuple[str, ...]) -> None:
    """Compare the recipes' answers for configure with what a native configure finds."""
    from shellbuild import builder
    from shellbuild.builder.answers import compare_answers
    from shellbuild.project import SHELLS

    different = False
    for name in shell or SHELLS:
        lines = compare_answers(builder.make_request(name))
        different |= bool(lines)
        click.echo("\n".join([f"{name}: {'these answers differ' if lines else 'all answers agree'}", *lines]))
    sys.exit(1 if different else 0)


@main.command("refresh-patch")
@click.argument("name", type=click.Choice(["bash", "zsh"]))
@click.option("--release", help="Release whose series is edited; default: the recipe's own.")
@click.option("--patch", help="Patch of the series; default: the first.")
@click.option(
    "--source", type=click.Choice(["auto", "git", "archive", "distro"]), default="auto", show_default=True
)
@click.option("--finish", is_flag=True, help="Write the edited tree back as the patch.")
def refresh_patch(name: str, release: str | None, patch: str | None, source: str, finish: bool) -> None:
    """Open a work tree with a patch applied; on a terminal, edit it and write it back.

    Without a terminal the tree stays open: edit it, then call again with --finish.
    """
    from shellbuild import refresh

    if not finish:
        tree = refresh.open_tree(name, release, patch, source)
        if not sys.stdin.isatty():
            note("edit the tree, then run this again with --finish")
            click.echo(tree)
            return
        note(f"edit {tree}, then leave this shell to write the patch back")
        subprocess.run([os.environ.get("SHELL", "/bin/sh")], cwd=tree, check=False)
    written = refresh.write_back(name, release, patch)
    note("written; remove the work tree when you no longer need it")
    click.echo(written)


@main.command()
@click.option(
    "--shell", type=click.Choice(["bash", "zsh"]), multiple=True, help="Only this shell; repeatable."
)
@click.option(
    "--checker",
    type=click.Choice([str(s) for s in Sanitize]),
    multiple=True,
    help="Only this one; repeatable.",
)
@click.option("--only", multiple=True, help="Only these scripts of the suite; repeatable.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="number of cores")
def memory(shell: tuple[str, ...], checker: tuple[str, ...], only: tuple[str, ...], jobs: int) -> None:
    """Run upstream's suites under AddressSanitizer and a part of them under valgrind."""
    from shellbuild.conformance.memory import check_memory
    from shellbuild.project import SHELLS

    check_memory(shell or SHELLS, [Sanitize(one) for one in checker or Sanitize], only, jobs)


@main.command()
@click.option("--check", is_flag=True, help="Fail when the committed schemas differ from the models.")
def schema(check: bool) -> None:
    """Write the JSON schemas of recipes and platforms to docs/schema/."""
    from shellbuild.schema import check_schemas, write_schemas

    if check:
        check_schemas()
        return
    for path in write_schemas():
        click.echo(path)


@main.command()
@click.option(
    "--shell", type=click.Choice(["bash", "zsh"]), multiple=True, help="Only this shell; repeatable."
)
@click.option("--release", multiple=True, help="Only this release; repeatable. Default: each shell's own.")
@click.option("--all-releases", is_flag=True, help="Every release of the recipes.")
@click.option("--only", multiple=True, help="Only these scripts of the suite; repeatable.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="number of cores")
def conformance(
    shell: tuple[str, ...],
    release: tuple[str, ...],
    all_releases: bool,
    only: tuple[str, ...],
    jobs: int,
) -> None:
    """Run upstream's suites unpatched, patched and wrapped, and compare script by script."""
    from shellbuild.conformance import compare_releases

    click.echo(compare_releases(shells=shell, releases=release, every=all_releases, only=only, jobs=jobs))
