"""The command line of `codex-exec-server`. How errors become an exit status: `shelltool.command_line`."""

import sys
from pathlib import Path

import click

from shelltool.command_line import run_command
from shelltool.errors import ServerError
from shelltool.version import version_option

NAME = "codex-exec-server"
EXAMPLES = f"""\b
Examples:
  {NAME}
      serve on a free port of 127.0.0.1; its URL is the one line on stdout
  {NAME} --listen stdio
      serve one client on stdin and stdout, over ssh for example
  {NAME} --listen ws://0.0.0.0:9000 --ws-token-file /run/secrets/exec-token
      serve other machines; they send `Authorization: Bearer TOKEN`
"""


@click.command(
    name=NAME,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--listen",
    default="ws://127.0.0.1:0",
    show_default=True,
    help="`ws://IP:PORT` (port 0: any free) or `stdio`.",
)
@click.option(
    "--ws-auth", type=click.Choice(["capability-token"]), help="Demand a token; the options below name it."
)
@click.option(
    "--ws-token-file", type=click.Path(path_type=Path), help="File with the token that clients need."
)
@click.option("--ws-token-sha256", metavar="HEX", help="SHA-256 of that token, instead of the file.")
@click.option("--session-ttl", "ttl_s", default=80.0, show_default=True, help="Seconds without a connection.")
@click.option(
    "--process-retention",
    "retention_s",
    default=80.0,
    show_default=True,
    help="Seconds that ended processes stay.",
)
@click.option(
    "--retained-output",
    "retained",
    default=1 << 20,
    show_default=True,
    help="Bytes of output kept for each process.",
)
@click.option(
    "--max-frame", "frame", default=16 << 20, show_default=True, help="Bytes of one WebSocket frame."
)
@click.option("--max-message", "message", default=64 << 20, show_default=True, help="Bytes of one message.")
@click.option(
    "--max-requests",
    "requests",
    default=1024,
    show_default=True,
    help="Requests of one connection at a time.",
)
@click.option("--ping-interval", "ping_s", default=30.0, show_default=True, help="Seconds between two pings.")
@click.option(
    "--shell-escalation",
    is_flag=True,
    help="Run processes under the rules, in our patched shells; clients are asked.",
)
@click.option("--exit-on-stdin-close", is_flag=True, help="Also end when stdin ends.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is written to stderr, as lines of JSON.",
)
@version_option(NAME)
@click.pass_context
def command(context: click.Context, /, **options: object) -> int:
    """Start, feed, watch and end processes, and read and write files, for clients that may come back."""
    from pydantic import ValidationError  # late, as what follows: --help needs neither

    from shelltool.exec_server.running import Options, run

    try:
        given = Options.model_validate(options)
    except ValidationError as error:
        problem = error.errors()[0]
        option = next(each for each in context.command.params if each.name == problem["loc"][0])
        raise click.BadParameter(problem["msg"], context, option) from error
    return run(given)


def main() -> None:
    """Run the server and exit."""
    status = run_command(command, NAME)
    # What the reference program gives for a server that can't be set up.
    sys.exit(1 if status == ServerError.exit_code else status)


if __name__ == "__main__":
    main()
