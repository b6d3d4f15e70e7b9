"""The version that the programs state: the installed distribution's own."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import click

DISTRIBUTION = "codex-shell-tool-mcp"

_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


def installed_version() -> str:
    """Give the version of the distribution; a checkout that is not installed has none."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "0+checkout"


def version_option(name: str) -> Callable[[_Command], _Command]:
    """Give a program its `--version`; looked up only where it is wanted, as a start waits for it."""

    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
        if wanted:
            click.echo(f"{name} {installed_version()}")
            context.exit()

    return click.option(
        "--version",
        "-V",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print the version and exit.",
    )
