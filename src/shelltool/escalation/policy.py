"""What a policy sees and what it may answer.

The decisions are the protocol's own (`docs/escalation-protocol.md`); how to reach one is the policy's business.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from shelltool.escalation.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class Run:
    """The wrapper execs the command itself, inside the sandbox."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """The server runs the command, outside the sandbox.

    `even_if_writable` says that the rule or the person named this very path, so that it doesn't matter who could
    have written the file. Without it such a file runs inside the sandbox, as after `Run`.
    """

    even_if_writable: bool = False


@dataclass(frozen=True, slots=True)
class Deny:
    """The command is refused; the reason goes to its stderr."""

    reason: str | None = None


Decision = Run | Escalate | Deny


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """One exec, as the kernel would be asked for it. Bytes that are not UTF-8 are surrogate escapes.

    `program` is absolute where `workdir` is, with `.` and `..` taken out of it and links as they are. `resolved` is
    the file that was opened, which is the one that an escalation executes; None where there is none to open.
    """

    file: str
    argv: tuple[str, ...]
    workdir: str
    program: str
    resolved: str | None
    writable: Callable[[], bool] = field(repr=False, compare=False)

    def sandbox_could_write(self) -> bool:
        """Tell whether the sandboxed side could have put this file, or a link on the way to it, there."""
        return self.writable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An exec and what was decided: after `Escalate`, `outcome` says where the command ran."""

    request: ExecRequest
    decision: Decision
    outcome: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One shell command being run, for the policy that judges its execs."""

    workdir: Path
    stopwatch: Stopwatch


class EscalationPolicy(Protocol):
    """Judges the execs of one call; asked for several at once."""

    def decide(self, request: ExecRequest) -> Awaitable[Decision]:
        """Decide on the event loop; may take as long as a person does."""
        ...


@runtime_checkable
class ImmediatePolicy(Protocol):
    """A policy that knows most answers without waiting; from any thread, without blocking."""

    def decide_now(self, request: ExecRequest) -> Decision | None:
        """Decide at once, or give None for `decide` to be asked."""
        ...


class EscalationPolicyFactory(Protocol):
    """Makes a policy for each call."""

    def __call__(self, call: Call, /) -> EscalationPolicy:
        """Make the policy of one call."""
        ...
