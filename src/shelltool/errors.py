"""Every fatal error of the runtime, each with its own process exit status.

A message says what failed, where (file and line, path, setting) and what to do next.
Only a `cli` module turns one of these into an exit.
"""

from typing import Literal


class ShellToolError(Exception):
    """Root of all errors that a user of the runtime may see."""

    exit_code = 20


class RulesFileError(ShellToolError):
    """A `.rules` file can't be read, is not valid, or its own examples disagree with it.

    `sentence` is the one line that decides; `detail` is the traceback and the excerpt, where there are any.
    """

    # What the reference program's `execpolicy check` gives for any rules file that it can't use.
    exit_code = 1

    def __init__(
        self,
        path: str,
        sentence: str,
        *,
        line: int | None = None,
        detail: str | None = None,
        step: Literal["read", "parse"] = "parse",
    ) -> None:
        self.path = path
        self.sentence = sentence
        self.line = line
        self.detail = detail or sentence
        self.step = step
        super().__init__(f"{path}{f':{line}' if line else ''}: {sentence}")


class AmendmentError(ShellToolError):
    """A rule that a person agreed to could not be written to `default.rules`."""

    exit_code = 21


class EscalationError(ShellToolError):
    """Something about running a shell command or judging its execs failed."""

    exit_code = 40


class LaunchError(EscalationError):
    """The shell, its sandbox or the keeper of its processes could not be started."""

    exit_code = 41


class FrameTooLargeError(EscalationError):
    """A peer announced a frame over the limit."""

    exit_code = 42


class ProtocolError(EscalationError):
    """A peer sent what the escalation protocol does not have."""

    exit_code = 43


class LeftoverError(EscalationError):
    """Processes of a call could not be ended."""

    exit_code = 44


class SandboxError(ShellToolError):
    """Something about confining a command failed; the command is not run."""

    exit_code = 50


class SandboxPolicyError(SandboxError):
    """A sandbox policy could not be understood."""

    exit_code = 51


class SandboxPlanError(SandboxError):
    """A policy can't be enforced on the files as they are."""

    exit_code = 52


class SandboxUnavailableError(SandboxError):
    """No engine works on this machine, or the one that does can't do what the plan asks for."""

    exit_code = 53


class ShellError(ShellToolError):
    """A shell, a wrapper or a helper can't be used."""

    exit_code = 60


class ProgramMissingError(ShellError):
    """A program that should have come with us is not there, or can't be executed."""

    exit_code = 61


class UnpatchedShellError(ShellError):
    """A shell does not hand its execs to the wrapper, so nothing that it runs would be judged."""

    exit_code = 62


class ServerError(ShellToolError):
    """The server could not be set up."""

    exit_code = 65


class StreamError(ShellToolError):
    """A program's stdin or stdout is closed, or can't be written."""

    exit_code = 66


class ExecServerError(ShellToolError):
    """Something about the exec server, its client or one of its requests failed."""

    exit_code = 70
