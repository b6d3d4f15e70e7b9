"""What a maintainer sees: steps, notes and echoed commands, all on stderr; results go to stdout.

On a terminal a running step shows a spinner; in GitHub Actions steps fold into groups; elsewhere plain lines.
Colour is off unless stderr is a terminal (https://no-color.org is honoured by rich).
"""

import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

_console = Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print one line about what is going on."""
    _console.print(escape(text))


def echo(argv: Sequence[str | os.PathLike[str]]) -> None:
    """Print a command the way a person would type it, before it runs."""
    _console.print(f"[dim]+ {escape(shlex.join([os.fspath(part) for part in argv]))}[/dim]")


def show_error(error: BaseException) -> None:
    """Print an error and the chain of its causes."""
    _console.print(f"[bold red]error:[/bold red] {escape(str(error))}")
    cause = error.__cause__
    while cause is not None:
        _console.print(f"  caused by: {escape(str(cause) or type(cause).__name__)}")
        cause = cause.__cause__


def show_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table whose first column is text and whose other columns are figures."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    _console.print(table)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Frame one step of work with its title and the seconds it took."""
    grouped = os.environ.get("GITHUB_ACTIONS") == "true"
    _console.print(f"::group::{title}" if grouped else f"[bold]{escape(title)}[/bold]")
    started = time.monotonic()
    try:
        if _console.is_terminal:
            with _console.status(escape(title)):
                yield
        else:
            yield
    finally:
        if grouped:
            _console.print("::endgroup::")
    _console.print(f"  [green]done[/green] in {time.monotonic() - started:.1f} s")


@contextmanager
def transfer(title: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal; yield the function that is told how many bytes have arrived."""
    if not _console.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=_console, transient=True) as progress:
        task = progress.add_task(escape(title), total=total_bytes)
        yield lambda arrived: progress.update(task, completed=arrived)
