"""`codex-execpolicy`: what a set of rules files says about a command line; reads no configuration.

Results go to stdout as JSON, every problem with a rules file to stderr as a chain of causes. The status is 0
whatever the decision, 1 for a rules file that can't be used, 2 for a command line that makes no sense and 66 for a
result that can't be written.
"""

import json
import sys
from pathlib import Path

import click

from shelltool.errors import RulesFileError, StreamError
from shelltool.standard_streams import write_result
from shelltool.version import version_option

NAME = "codex-execpolicy"
EXAMPLES = f"""\b
Examples:
  {NAME} check --rules ~/.codex/rules/default.rules git push --force
  {NAME} check -r a.rules -r b.rules --resolve-host-executables /usr/bin/git status
"""
_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@version_option(NAME)
def main() -> None:
    """Ask the rules that decide which commands an agent may run."""


# The command's own options begin with the first word that is none of ours.
@main.command(epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.option(
    "-r",
    "--rules",
    "rules",
    metavar="PATH",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="A rules file; may be given several times, and the order is kept.",
)
@click.option("--pretty", is_flag=True, help="Indent the JSON.")
@click.option(
    "--resolve-host-executables",
    is_flag=True,
    help="Let rules on a program's basename match a command that names it by its absolute path.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def check(
    rules: tuple[Path, ...],
    pretty: bool,  # noqa: FBT001 - click hands flags over like this
    resolve_host_executables: bool,  # noqa: FBT001
    command: tuple[str, ...],
) -> None:
    """Print the rules that match COMMAND and the strictest decision as JSON."""
    # Imported here, so that `--help` doesn't wait for the models.
    from shelltool.execpolicy.loading import load_rules
    from shelltool.execpolicy.policy import Resolution

    if not all(map(_is_text, command)):
        raise click.UsageError("COMMAND is not valid UTF-8; rules are text and can't match it.")
    try:
        policy = load_rules(rules)
    except RulesFileError as error:
        _show(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    resolution = Resolution.LISTED if resolve_host_executables else Resolution.OFF
    shown = policy.evaluate(command, resolution=resolution).to_json()
    layout = {"indent": 2} if pretty else {"separators": (",", ":")}
    text = json.dumps(shown, ensure_ascii=False, **layout)
    try:
        # In UTF-8 whatever the locale is: it is JSON.
        write_result(f"{text}\n".encode())
    except StreamError as error:
        click.echo(f"{NAME}: error: {error}", err=True)
        sys.exit(error.exit_code)


def _is_text(word: str) -> bool:
    # Bytes that are not UTF-8 reach Python as lone surrogates.
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _show(error: RulesFileError) -> None:
    detail = error.detail.rstrip("\n").replace("\n", "\n    ")
    click.echo(f"Error: failed to {error.step} policy at {error.path}\n\nCaused by:\n    {detail}", err=True)
