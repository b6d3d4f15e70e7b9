"""How a server's command line runs and ends: what goes wrong is one line on stderr and an exit status."""

import sys

import click

from shelltool.environment import forget_coerced_locale
from shelltool.errors import ShellToolError

INTERRUPTED = 130


def run_command(command: click.Command, name: str) -> int:
    """Run a server's command with this process's arguments, and give the exit status."""
    forget_coerced_locale()
    try:
        return command.main(prog_name=name, standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except ShellToolError as error:
        sys.stderr.write(f"{name}: error: {error}\n")
        return error.exit_code
