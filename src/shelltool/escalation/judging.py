"""From a wrapper's question to an outcome: what is asked about, what the policy says, what that may lead to.

Owns what was judged in a call, and the two rules that no policy can drop: a policy that fails denies, and what can't
be escalated safely runs inside the sandbox.
"""

import contextlib
import os

from shelltool.escalation.exec_message import read_request
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
from shelltool.escalation.program import Reach, open_program, program_path

JUDGED_KEPT = 1000
"""Of one call; the count goes on."""

JUDGED_KEPT_BYTES = 16 << 20
"""Of one call, as they were asked: an argument list alone may be of megabytes."""

_HARMLESS = (Run, Deny)
_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class Question:
    """One exec as it was asked about. `opened` is the file that is judged, and that an escalation executes."""

    __slots__ = (
        "_planted",
        "_reach",
        "message",
        "opened",
        "program",
        "request",
        "size_bytes",
        "workdir_fd",
        "workdir_sought",
    )

    def __init__(self, frame: bytes, reach: Reach) -> None:
        self.message = message = read_request(frame)
        self.size_bytes = len(frame)
        self.program = program_path(message.file, message.workdir)
        self.opened = open_program(self.program)
        self.workdir_fd = -1
        self.workdir_sought = False
        self.request = ExecRequest(
            file=message.file,
            argv=message.argv,
            workdir=message.workdir,
            program=self.program,
            resolved=self.opened.resolved if self.opened else None,
            writable=self.is_planted,
        )
        self._reach = reach
        self._planted: bool | None = None

    def is_planted(self) -> bool:
        """Tell whether the sandboxed side could have written the program."""
        if self._planted is None:
            self._planted = self.opened is None or self._reach.covers(self.program, self.opened)
        return self._planted

    def open_workdir(self) -> bool:
        """Hold the working directory open, to start the program in it: what is there at the first time of asking."""
        if not self.workdir_sought and self.message.workdir.startswith("/"):
            with contextlib.suppress(OSError, ValueError):
                self.workdir_fd = os.open(self.message.workdir, _FOLDER_FLAGS)
        self.workdir_sought = True
        return self.workdir_fd >= 0

    def close(self) -> None:
        """Let go of the files."""
        if self.opened:
            self.opened.close()
        if self.workdir_fd >= 0:
            os.close(self.workdir_fd)
            self.workdir_fd = -1


class Judge:
    """Asks one call's policy, and remembers."""

    def __init__(self, policy: EscalationPolicy, reach: Reach) -> None:
        self._policy = policy
        self._immediate = policy if isinstance(policy, ImmediatePolicy) else None
        self._reach = reach
        self.judged: list[Judged] = []
        self.judged_count = 0
        self._judged_bytes = 0

    def question(self, frame: bytes) -> Question:
        """Read what is asked."""
        return Question(frame, self._reach)

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
        """Turn what was decided into what will be done."""
        if isinstance(decision, Escalate):
            return decision if _may_escalate(question, decision) else Run()
        if isinstance(decision, _HARMLESS):
            return decision
        return Deny(f"the policy gave {type(decision).__name__}, which is no decision")

    def note(self, question: Question, decision: Decision, outcome: Decision) -> None:
        """Remember what was decided and what is done; when the wrapper has its answer, which waits for nothing else."""
        self.judged_count += 1
        self._judged_bytes += question.size_bytes
        if self.judged_count <= JUDGED_KEPT and self._judged_bytes <= JUDGED_KEPT_BYTES:
            self.judged.append(Judged(request=question.request, decision=decision, outcome=outcome))


def _may_escalate(question: Question, decision: Escalate) -> bool:
    if question.opened is None or not question.opened.is_regular():
        return False
    if not question.message.argv or not question.open_workdir():
        return False
    return decision.even_if_writable or not question.is_planted()


def _failed(error: Exception) -> Deny:
    return Deny(f"the policy could not decide: {type(error).__name__}: {error}")
