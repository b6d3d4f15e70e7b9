"""From a wrapper's question to an outcome: what is asked about, what the policy says, what that may lead to.

Owns what was judged in a call, and the two rules that no policy can drop: a policy that fails denies, and what can't
be escalated safely runs inside the sandbox.
"""

import contextlib
import os
from functools import cached_property

from shelltool.escalation.messages import ExecMessage
from shelltool.escalation.policy import (
    Decision,
    Deny,
    Escalate,
    EscalationPolicy,
    ExecRequest,
    ImmediatePolicy,
    Judged,
    Run,
)
from shelltool.escalation.program import OpenProgram, Reach, open_program, program_path

JUDGED_KEPT = 1000
"""Of one call; the count goes on."""

_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class Question:
    """One exec as it was asked about. The program is opened when somebody first looks at it, and stays open."""

    def __init__(self, message: ExecMessage, reach: Reach) -> None:
        self.message = message
        self.program = program_path(message.file, message.workdir)
        self.workdir_fd = -1
        self._reach = reach
        self._opened: OpenProgram | None = None
        self._is_open = False
        self._closed = False

    @property
    def opened(self) -> OpenProgram | None:
        """The file that was judged, and that an escalation executes."""
        if not self._is_open and not self._closed:
            self._opened = open_program(self.program)
            self._is_open = True
        return self._opened

    @cached_property
    def planted(self) -> bool:
        """Whether the sandboxed side could have written the program."""
        return self.opened is None or self._reach.covers(self.program, self.opened)

    @cached_property
    def request(self) -> ExecRequest:
        return _LiveRequest(self)

    def open_workdir(self) -> bool:
        """Hold the working directory open, to start the program in it."""
        with contextlib.suppress(OSError, ValueError):
            if self.message.workdir.startswith("/"):
                self.workdir_fd = os.open(self.message.workdir, _FOLDER_FLAGS)
        return self.workdir_fd >= 0

    def close(self) -> None:
        """Let go of the files."""
        self._closed = True
        if self._opened:
            self._opened.close()
        if self.workdir_fd >= 0:
            os.close(self.workdir_fd)
            self.workdir_fd = -1


class _LiveRequest(ExecRequest):
    """A request that looks at the file system when it is asked to: most execs are judged by their names."""

    __slots__ = ("_question",)
    _question: Question

    def __init__(self, question: Question) -> None:
        object.__setattr__(self, "_question", question)

    @property
    def file(self) -> str:
        return self._question.message.file

    @property
    def argv(self) -> tuple[str, ...]:
        return self._question.message.argv

    @property
    def workdir(self) -> str:
        return self._question.message.workdir

    @property
    def program(self) -> str:
        return self._question.program

    @property
    def resolved(self) -> str | None:
        opened = self._question.opened
        return opened.resolved if opened else None

    def sandbox_could_write(self) -> bool:
        return self._question.planted


class Judge:
    """Asks one call's policy, and remembers."""

    def __init__(self, policy: EscalationPolicy, reach: Reach) -> None:
        self._policy = policy
        self._immediate = policy if isinstance(policy, ImmediatePolicy) else None
        self._reach = reach
        self.judged: list[Judged] = []
        self.judged_count = 0

    def question(self, message: ExecMessage) -> Question:
        """Read what is asked."""
        return Question(message, self._reach)

    def decide_now(self, question: Question) -> Decision | None:
        """Ask a policy that need not wait; from the call's thread."""
        if self._immediate is None:
            return None
        try:
            return self._immediate.decide_now(question.request)
        except Exception as error:  # noqa: BLE001 - whatever a policy raises, the command must not run
            return _failed(error)

    async def decide(self, question: Question) -> Decision:
        """Ask a policy that may wait; on the event loop."""
        try:
            return await self._policy.decide(question.request)
        except Exception as error:  # noqa: BLE001 - as above
            return _failed(error)

    def outcome(self, question: Question, decision: Decision) -> Decision:
        """Turn what was decided into what will be done, and note both."""
        outcome = decision
        if isinstance(decision, Escalate) and not _may_escalate(question, decision):
            outcome = Run()
        elif not isinstance(decision, Run | Escalate | Deny):
            outcome = Deny(f"the policy gave {type(decision).__name__}, which is no decision")
        self.judged_count += 1
        if len(self.judged) < JUDGED_KEPT:
            self.judged.append(Judged(request=question.request, decision=decision, outcome=outcome))
        return outcome


def _may_escalate(question: Question, decision: Escalate) -> bool:
    if question.opened is None or not question.message.argv or not question.open_workdir():
        return False
    return decision.even_if_writable or not question.planted


def _failed(error: Exception) -> Deny:
    return Deny(f"the policy could not decide: {type(error).__name__}: {error}")
