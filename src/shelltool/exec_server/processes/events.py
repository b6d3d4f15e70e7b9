"""What callers of an `Environment` hear of a process, in order: the notifications, and what only a caller is told."""

from dataclasses import dataclass

from shelltool.exec_server.processes.messages import ProcessClosed, ProcessExited, ProcessOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDropped:
    """Output that nobody has any more: these numbers are missing."""

    process_id: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFailed:
    """The process can't be followed any more; nobody knows how it ended. Always the last event."""

    process_id: str
    message: str


Numbered = ProcessOutput | ProcessExited | ProcessClosed
ProcessEvent = Numbered | OutputDropped | ProcessFailed
