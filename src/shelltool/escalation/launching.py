"""Start the shell of a call: behind its sandbox's prefix, with the wrapper named and the wrappers' socket at its number.

Text that Python decoded as the file system's encoding has it goes on as UTF-8 with escapes, so that no byte is lost.
"""

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from shelltool.descriptor_limit import original_limits
from shelltool.errors import LaunchError
from shelltool.escalation.command import ShellCommand
from shelltool.escalation.keeping import Keeper
from shelltool.escalation.server import MAIN
from shelltool.escalation.spawning import Inherited, Spawn, Strings, Variables

SOCKET_NUMBER = 172
"""What the wrappers' socket is called in the shell: out of the way of what scripts and shells use."""

LINGER_MS = 500
"""How long processes that outlive the shell may finish, `>(tee log)` for example, before they are ended."""

GRACE_MS = 250
"""Between SIGTERM and SIGKILL: enough for a lock file to be removed, too little to notice."""

_WRAPPER_VARIABLES = ("EXEC_WRAPPER", "BASH_EXEC_WRAPPER")
_SOCKET_VARIABLE = "CODEX_ESCALATE_SOCKET"


def wrapper_variables(wrapper: str) -> dict[str, str]:
    """Give the variables by which a shell hands its execs to the wrapper, and the wrapper finds its server."""
    return dict.fromkeys(_WRAPPER_VARIABLES, wrapper) | {_SOCKET_VARIABLE: str(SOCKET_NUMBER)}


def launch_shell(
    keeper: Keeper, command: ShellCommand, environment: Mapping[str, str], session_fd: int
) -> None:
    """Have the keeper start the command's shell in this environment; whether that worked comes as an event.

    Raises LaunchError where the working directory can't be one.
    """
    argv = shell_argv(command)
    program = shutil.which(argv[0]) or argv[0]
    with contextlib.ExitStack() as opened:
        workdir_fd = _opened(opened, command.workdir, os.O_DIRECTORY, "the working directory")
        nothing_fd = _opened(opened, Path(os.devnull), 0, "the standard input")
        keeper.spawn(
            MAIN,
            Spawn(
                strings=Strings(exact_text(program), list(map(exact_text, argv)), Variables(environment)),
                workdir_fd=workdir_fd,
                descriptors={0: nothing_fd, SOCKET_NUMBER: session_fd},
                main=True,
                trusted=True,
                inherited=Inherited(rlimits=original_limits()),
                linger_ms=LINGER_MS,
                grace_ms=GRACE_MS,
            ),
        )


def _opened(until: contextlib.ExitStack, path: Path, flags: int, role: str) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    except (OSError, ValueError) as error:
        raise LaunchError(f"{path}: can't be {role}: {error}") from error
    until.callback(os.close, fd)
    return fd


def shell_argv(command: ShellCommand) -> list[str]:
    """Give what is executed: the sandbox's prefix, then the shell."""
    return [*command.sandbox.prefix, *command.argv]


def exact_text(text: str) -> str:
    """Turn what Python decoded as the file system's encoding has it into UTF-8 with escapes."""
    return text if text.isascii() else os.fsencode(text).decode(errors="surrogateescape")


def exact_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Do so with names and values."""
    if all(map(str.isascii, variables)) and all(map(str.isascii, variables.values())):
        return dict(variables)  # as nearly always, and every call waits for it
    return {exact_text(name): exact_text(value) for name, value in variables.items()}
