"""Params, results and notifications of `process/*`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import to_json

from shelltool.exec_server.messages import U64, Base64, Message, SandboxObject, base64_json
from shelltool.exec_server.paths import WirePath

Stream = Literal["stdout", "stderr", "pty"]
TERMINAL_SIZE_MAX = 65_535
Cells = Annotated[int, Field(ge=1, le=TERMINAL_SIZE_MAX)]
GRACE_MS_MAX = 60_000
WRITE_ID_MAX = 128
"""Characters; they are remembered for as long as the process is."""
PATTERNS_MAX = PATTERN_MAX = 256
"""Each variable is held against each."""


Patterns = Annotated[
    list[Annotated[str, Field(max_length=PATTERN_MAX)]],
    Field(max_length=PATTERNS_MAX, description=f"patterns of names, at most {PATTERNS_MAX}"),
]


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("writeId must not be empty")
    return value


class EnvironmentPolicy(Message):
    """Which variables of the server's own environment a process gets; `shelltool.environment` applies it."""

    inherit: Literal["all", "core", "none"]
    ignore_default_excludes: bool
    exclude: Patterns
    set: dict[str, str]
    include_only: Patterns


class TerminalSize(Message):
    """Of a pseudo terminal, in characters."""

    rows: Cells = 24
    columns: Cells = 80


class StartProcess(Message):
    """Start a process; `envPolicy` null: its environment is just `env`."""

    process_id: str
    argv: list[str]
    cwd: WirePath
    env: dict[str, str]
    tty: bool
    env_policy: EnvironmentPolicy | None = None
    pipe_stdin: bool = False
    arg0: str | None = None
    sandbox: SandboxObject = None
    size: TerminalSize | None = Field(default=None, description="of the terminal, where `tty` is true")
    enforce_managed_network: bool | None = None
    managed_network: dict[str, Any] | None = None
    network_proxy: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    shell_snapshot: dict[str, Any] | None = None


class StartResult(Message):
    """`sandboxType` says what confines it."""

    process_id: str
    sandbox_type: Literal["none", "linuxSeccomp", "macosSeatbelt"] = "none"


class ReadProcess(Message):
    """Read retained output; `waitMs`: how long to wait for some."""

    process_id: str
    after_seq: U64 | None = None
    max_bytes: U64 | None = None
    wait_ms: U64 | None = None


class Chunk(Message):
    """Some output."""

    seq: int
    stream: Stream
    chunk: Base64


class ReadResult(Message):
    """Retained output and where the process is in its life."""

    chunks: list[Chunk]
    next_seq: int
    exited: bool
    exit_code: int | None = None
    closed: bool
    failure: str | None = None
    sandbox_denied: bool = False
    dropped_bytes: int = Field(default=0, description="of this process's output, no longer retained")
    signal: int | None = Field(default=None, description="the signal that ended the process")


class WriteProcess(Message):
    """Write to standard input; a `writeId` that was there before is not written again."""

    process_id: str
    chunk: Base64
    write_id: Annotated[
        str | None,
        Field(max_length=WRITE_ID_MAX, description=f"at most {WRITE_ID_MAX} characters"),
        BeforeValidator(_not_empty),
    ] = None


class WriteResult(Message):
    """`accepted`: queued, or known by its `writeId`."""

    status: Literal["accepted", "unknownProcess", "stdinClosed", "starting"]


class CloseStdin(Message):
    """End standard input, behind what was written; a terminal gets its end-of-file character."""

    process_id: str


class ResizeProcess(Message):
    """Give the terminal of a process another size; its foreground gets SIGWINCH."""

    process_id: str
    rows: Cells
    columns: Cells


class SignalProcess(Message):
    """Signal the process group: `interrupt`, or any name or number of a signal."""

    process_id: str
    signal: str | int


class TerminateProcess(Message):
    """End a process and all that descends from it: SIGTERM, `graceMs` later SIGKILL; without it, SIGKILL at once."""

    process_id: str
    grace_ms: Annotated[int, Field(ge=0, le=GRACE_MS_MAX)] | None = None


class TerminateResult(Message):
    """Whether it was still running."""

    running: bool


class ListProcesses(Message):
    """List the processes of the session, finished ones that are still retained included."""


class ProcessSummary(Message):
    """One process of a list."""

    process_id: str
    argv: list[str]
    cwd: WirePath
    pid: int | None
    tty: bool
    exited: bool
    exit_code: int | None
    closed: bool
    last_seq: int
    retained_bytes: int
    dropped_bytes: int


class ProcessList(Message):
    """The processes of a session, in the order in which they were started."""

    processes: list[ProcessSummary]


class ProcessOutput(Message):
    """Output, raw as it was read."""

    process_id: str
    seq: int
    stream: Stream
    chunk: Base64

    def wire_json(self) -> bytes:
        """Give what goes over the wire: by far the most frequent message."""
        return b'{"processId":%b,"seq":%d,"stream":"%b","chunk":%b}' % (
            to_json(self.process_id),
            self.seq,
            self.stream.encode(),
            base64_json(self.chunk),
        )


class ProcessExited(Message):
    """The process has ended; output of what it started may follow."""

    process_id: str
    seq: int
    exit_code: int
    sandbox_denied: bool = False
    signal: int | None = Field(default=None, description="the signal that ended the process")


class ProcessClosed(Message):
    """The process has ended and nothing holds its output open: the last notification."""

    process_id: str
    seq: int
