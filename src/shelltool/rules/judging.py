"""From rules to decisions about one call's execs: what runs inside, what leaves the sandbox, what a person is asked.

A rule that allows lets a command leave the sandbox, a rule that prompts lets it leave once a person accepts, and a
heuristic's prompt never does. A program that a rule knows by its basename only leaves when the sandboxed side could
not have written the file; the prompt says beforehand where accepting leads.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol

from shelltool.escalation import Decision, Deny, Escalate, ExecRequest, Run
from shelltool.execpolicy.decision import Decision as RuleDecision
from shelltool.execpolicy.layers import LoadedPolicy
from shelltool.execpolicy.verdict import Verdict

Place = Literal["outside", "inside", "no-sandbox"]
"""Where a command runs that a person accepts."""

REMEMBERED_VERDICTS = 16
"""Few, because an argument list may be of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person is asked about."""

    program: str
    argv: tuple[str, ...]
    workdir: str
    place: Place
    why: str | None
    could_be_planted: bool = False
    """Whether it would leave the sandbox, had the sandboxed side not been able to write the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a person said, or why nobody could be asked."""

    accepted: bool
    reason: str = ""


class Asker(Protocol):
    """Asks a person."""

    def __call__(self, approval: Approval, /) -> Awaitable[Answer]:
        """Ask, however long that takes."""
        ...


class RulesPolicy:
    """Judges the execs of one call (`escalation.ImmediatePolicy`)."""

    def __init__(
        self,
        rules: LoadedPolicy,
        *,
        ask: Asker,
        pause: Callable[[], AbstractContextManager[None]],
        confined: bool,
        preserve_program_paths: bool = False,
    ) -> None:
        """`pause` stops the call's deadline; with `preserve_program_paths` only rules on a full path allow."""
        self._rules = rules
        # What holds where no rule allows: heuristics, and the fear of what a broken file may have said.
        self._without_rules = LoadedPolicy(problems=rules.problems)
        self._ask = ask
        self._pause = pause
        self._confined = confined
        self._preserve_program_paths = preserve_program_paths
        # A loop runs the same few commands again and again, and waits for each answer.
        self._judge_again = lru_cache(REMEMBERED_VERDICTS)(self._judge)

    def decide_now(self, request: ExecRequest) -> Decision | None:
        """Decide where nobody has to be asked."""
        return self._judge_again(request.argv, request.program, request.resolved)[1]

    async def decide(self, request: ExecRequest) -> Decision:
        """Decide, asking a person if need be."""
        verdict, decided = self._judge_again(request.argv, request.program, request.resolved)
        if decided is not None:
            return decided
        with self._pause():
            answer = await self._ask(self._approval(request, verdict))
        return _granted(verdict) if answer.accepted else Deny(answer.reason or None)

    def _judge(
        self, argv: tuple[str, ...], program: str, real: str | None
    ) -> tuple[Verdict, Decision | None]:
        verdict = self._verdict(argv, program, real)
        return verdict, _decided(verdict)

    def _verdict(self, argv: tuple[str, ...], program: str, real: str | None) -> Verdict:
        verdict = self._rules.decide(argv, program=program, real_program=real)
        # A broken file may have turned the allow into a question; it is an allow all the same.
        is_allowed = all(match.decision is RuleDecision.ALLOW for match in verdict.matches)
        if self._preserve_program_paths and verdict.leaves_sandbox and verdict.by_basename and is_allowed:
            return self._without_rules.decide(argv, program=program, real_program=real)
        return verdict

    def _approval(self, request: ExecRequest, verdict: Verdict) -> Approval:
        planted = verdict.leaves_sandbox and verdict.by_basename and request.sandbox_could_write()
        inside: Place = "inside" if self._confined else "no-sandbox"
        return Approval(
            program=request.program,
            argv=request.argv,
            workdir=request.workdir,
            place="outside" if self._confined and verdict.leaves_sandbox and not planted else inside,
            why=verdict.reason,
            could_be_planted=self._confined and planted,
        )


def _decided(verdict: Verdict) -> Decision | None:
    """Give the decision, or None where a person has it."""
    match verdict.decision:
        case RuleDecision.FORBIDDEN:
            return Deny(_with_reason("Execution forbidden by policy", verdict.reason))
        case RuleDecision.ALLOW:
            return _granted(verdict)
        case RuleDecision.PROMPT:
            return None


def _granted(verdict: Verdict) -> Decision:
    return Escalate(even_if_writable=not verdict.by_basename) if verdict.leaves_sandbox else Run()


def _with_reason(sentence: str, reason: str | None) -> str:
    return f"{sentence}: {reason}" if reason else sentence
