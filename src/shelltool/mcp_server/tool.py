"""The tool `shell` as clients see it: its schema, its arguments, and the form of its result.

Names and texts of the arguments are a contract with clients (`docs/mcp-server.md`). What is wrong with a call is said
here, before anything is started.
"""

import os
from pathlib import Path
from typing import Annotated, Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shelltool.escalation import CommandResult, Deny, Escalate, Judged, Run
from shelltool.mcp_server.display import plain, shortened
from shelltool.mcp_server.output import Written

NAME = "shell"
DEFAULT_TIMEOUT_MS = 10_000
COMMAND_BYTES = (128 << 10) - 1
"""What Linux takes as one argument of a program."""
JUDGED_SHOWN = 100
ARGUMENTS_SHOWN = 32
ARGUMENT_CHARS = 200
_U64 = (1 << 64) - 1


class ShellArguments(BaseModel):
    """The arguments of one call; a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    command: str
    workdir: str
    timeout_ms: Annotated[int, Field(ge=0, le=_U64)] | None = None
    login: bool | None = None

    @property
    def timeout_s(self) -> float:
        """Give the time that the command has."""
        return (DEFAULT_TIMEOUT_MS if self.timeout_ms is None else self.timeout_ms) / 1000

    @property
    def folder(self) -> Path:
        """Give the working folder."""
        return Path(self.workdir)


def describe(shell: str) -> dict[str, Any]:
    """Give the tool as `tools/list` shows it."""
    return {
        "name": NAME,
        "description": "Runs a shell command and returns its output. "
        "You MUST provide the workdir as an absolute path.",
        "inputSchema": _input_schema(shell),
        "outputSchema": _OUTPUT_SCHEMA,
    }


def _input_schema(shell: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ExecParams",
        "type": "object",
        "properties": {
            "command": {"description": f"The {shell} string to execute.", "type": "string"},
            "workdir": {
                "description": "The working directory to execute the command in. Must be an absolute path.",
                "type": "string",
            },
            "timeout_ms": {
                "description": "The timeout for the command in milliseconds: "
                f"defaults to {DEFAULT_TIMEOUT_MS}. It does not run while a person is being asked.",
                "type": "integer",
                "format": "uint64",
                "minimum": 0,
                "nullable": True,
            },
            "login": {
                "description": f"Launch {shell.capitalize()} with -lc instead of -c: defaults to true.",
                "type": "boolean",
                "nullable": True,
            },
        },
        "required": ["command", "workdir"],
        "additionalProperties": False,
    }


def _object(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": sorted(properties)}


_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_OUTPUT_SCHEMA = _object(
    exit_code={"type": "integer", "description": "128+n after signal n, 124 after a timeout"},
    stdout=_TEXT,
    stderr=_TEXT,
    output={"type": "string", "description": "stdout and stderr in the order in which they were written"},
    duration=_object(secs=_COUNT, nanos=_COUNT),
    timed_out={"type": "boolean"},
    judged={
        "type": "array",
        "description": f"the first {JUDGED_SHOWN} commands that were judged",
        "items": {
            "type": "object",
            "properties": {
                "program": _TEXT,
                "argv": {"type": "array", "items": _TEXT},
                "workdir": _TEXT,
                "decision": {"enum": ["run", "escalate", "deny"]},
                "outside_sandbox": {"type": "boolean"},
                "reason": _TEXT,
            },
            "required": ["program", "argv", "workdir", "decision", "outside_sandbox"],
        },
    },
    judged_count=_COUNT,
    warnings={"type": "array", "items": _TEXT},
)


def read_arguments(arguments: dict[str, Any] | None) -> ShellArguments:
    """Read and check the arguments of a call."""
    try:
        read = ShellArguments.model_validate(arguments or {})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {_in_words(problem['type'], problem['msg'])}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise refusal(problems) from error
    _check_command(read.command)
    _check_workdir(read.workdir)
    return read


def refusal(problem: str) -> MCPError:
    """Say what is wrong with a call."""
    return MCPError(code=INVALID_PARAMS, message=f"{NAME}: {plain(shortened(problem))}")


def _in_words(kind: str, message: str) -> str:
    return {"missing": "is missing", "extra_forbidden": "there is no such argument"}.get(kind, message)


def _check_command(command: str) -> None:
    if "\0" in command:
        raise refusal("command: has a NUL character in it, which no shell takes")
    try:
        size = len(os.fsencode(command))
    except UnicodeEncodeError:
        raise refusal("command: is not valid Unicode") from None
    if size > COMMAND_BYTES:
        raise refusal(
            f"command: has {size} bytes and at most {COMMAND_BYTES} are possible; put it into a file"
        )


def _check_workdir(workdir: str) -> None:
    if not workdir.startswith("/"):
        raise refusal(f"workdir: must be an absolute path, and is {workdir!r}")
    try:
        is_folder, may_enter = Path(workdir).is_dir(), os.access(workdir, os.X_OK)
    except ValueError:
        raise refusal("workdir: is not a possible path") from None
    if not is_folder:
        raise refusal(f"workdir: {workdir} is not a directory that exists")
    if not may_enter:
        raise refusal(f"workdir: {workdir} may not be entered")


def render_result(ended: CommandResult, written: Written, warnings: tuple[str, ...]) -> dict[str, Any]:
    """Put a result together, in the form that the output schema describes."""
    nanos = round(ended.duration_s * 1_000_000_000)
    return {
        "exit_code": ended.exit_code,
        "stdout": written.stdout,
        "stderr": written.stderr,
        "output": written.output,
        "duration": {"secs": nanos // 1_000_000_000, "nanos": nanos % 1_000_000_000},
        "timed_out": ended.timed_out,
        "judged": [_render_judged(judged) for judged in ended.judged[:JUDGED_SHOWN]],
        "judged_count": ended.judged_count,
        "warnings": [plain(shortened(warning)) for warning in warnings],
    }


def _render_judged(judged: Judged) -> dict[str, Any]:
    request, outcome = judged.request, judged.outcome
    argv = [plain(shortened(word, ARGUMENT_CHARS)) for word in request.argv[:ARGUMENTS_SHOWN]]
    if len(request.argv) > ARGUMENTS_SHOWN:
        argv.append(f"[... {len(request.argv) - ARGUMENTS_SHOWN} arguments ...]")
    shown: dict[str, Any] = {
        "program": plain(shortened(request.program)),
        "argv": argv,
        "workdir": plain(shortened(request.workdir)),
        "decision": {Run: "run", Escalate: "escalate", Deny: "deny"}[type(judged.decision)],
        "outside_sandbox": isinstance(outcome, Escalate),
    }
    if isinstance(outcome, Deny) and outcome.reason:
        shown["reason"] = plain(shortened(outcome.reason))
    return shown
