"""The command line of `codex-exec-mcp-server`. How errors become an exit status: `shelltool.command_line`."""

import gc
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from shelltool.command_line import run_command
from shelltool.errors import ProgramMissingError
from shelltool.shells import SHELLS, WRAPPER, check_intercepts, find_program, find_shell, named_program
from shelltool.standard_streams import require_open
from shelltool.version import installed_version, version_option

NAME = "codex-exec-mcp-server"
EXAMPLES = f"""\b
Examples:
  {NAME}
      serve with our own bash; what a harness has in its configuration
  {NAME} --shell zsh
      serve with our own zsh
  {NAME} --bash ~/build/bash --execve ~/build/codex-execve-wrapper
      try a build; CODEX_BASH_PATH=~/build/bash names one for every server

\b
In the JSON configuration of a harness:
  {{"mcpServers": {{"shell": {{"command": "{NAME}", "args": ["--shell", "bash"]}}}}}}
"""
_PATH = click.Path(path_type=Path)


@click.command(
    name=NAME,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--execve", type=_PATH, help="Program that the shell hands its execs to; ours by default.")
@click.option("--bash", type=_PATH, help="Patched bash; by default $CODEX_BASH_PATH, or ours.")
@click.option("--zsh", type=_PATH, help="Patched zsh; ours by default.")
@click.option(
    "--shell", "name", type=click.Choice(SHELLS), help="Which of the two runs commands; by default bash."
)
@click.option(
    "--preserve-program-paths",
    is_flag=True,
    help="Only rules that name a program by its full path allow it; rules on a bare name still ask and forbid.",
)
@version_option(NAME)
def command(
    execve: Path | None,
    bash: Path | None,
    zsh: Path | None,
    name: str | None,
    preserve_program_paths: bool,  # noqa: FBT001 - click's
) -> int:
    """Serve the tool `shell` over MCP on stdin and stdout: every program that a command starts is judged by rules.

    Rules are read from /etc/codex/rules, $CODEX_HOME/rules and the .codex/rules of trusted projects.
    """
    require_open("stdin", "stdout")
    chosen = name or ("zsh" if zsh and not bash else "bash")
    shell = find_shell(chosen, {"bash": bash, "zsh": zsh}[chosen])
    check_intercepts(shell)
    with TemporaryDirectory(prefix=f"{NAME}-") as folder:
        wrapper = named_program(execve, "--execve") if execve else _own_wrapper(Path(folder))
        return _serve(shell, chosen, wrapper, preserve_program_paths=preserve_program_paths)


def _own_wrapper(folder: Path) -> Path:
    """Give the compiled wrapper, or the Python one as a program where there is no compiled one."""
    try:
        return find_program(WRAPPER)
    except ProgramMissingError as missing:
        from shelltool.escalation.native import write_python_wrapper

        click.echo(f"{NAME}: the slower Python wrapper is used: {missing}", err=True)
        return write_python_wrapper(folder)


def _serve(shell: Path, name: str, wrapper: Path, *, preserve_program_paths: bool) -> int:
    # Thousands of objects are made that stay; looking through them again and again only costs time.
    gc.disable()
    from shelltool.mcp_server.sdk import import_lean

    import_lean()
    from shelltool.escalation.native import default_keeper
    from shelltool.mcp_server.call import Programs
    from shelltool.mcp_server.server import Settings, serve

    gc.freeze()
    gc.enable()
    programs = Programs(shell=shell, wrapper=wrapper, keeper=default_keeper())
    return serve(
        Settings(
            programs=programs,
            shell_name=name,
            version=installed_version(),
            preserve_program_paths=preserve_program_paths,
        )
    )


def main() -> None:
    """Run the server and exit."""
    sys.exit(run_command(command, NAME))


if __name__ == "__main__":
    main()
