"""From rules, heuristics and broken files to one decision about one execution, and what accepting it means.

Pure: the caller says under which names the program is known and gets back a `Verdict`. The strictest word about
any of these names counts; an allow counts only for a name that can't be something else than what runs.
"""

import dataclasses
import enum
from collections.abc import Iterable, Sequence

from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.heuristics import danger_in
from shelltool.execpolicy.policy import Policy, Resolution
from shelltool.execpolicy.programs import basename, normalised
from shelltool.execpolicy.rules import RuleMatch


class Source(enum.Enum):
    """What a decision rests on."""

    RULE = "rule"
    HEURISTIC = "heuristic"
    # A rules file could not be used, and may have said something about this command.
    BROKEN_RULES = "broken-rules"
    # Nothing has anything to say: the command runs, and the sandbox is what holds it.
    UNMATCHED = "unmatched"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision about one execution."""

    decision: Decision
    source: Source
    matches: tuple[RuleMatch, ...] = ()
    # For a person: the author's justification, or what the heuristic saw.
    reason: str | None = None
    # Whether the command runs outside the sandbox once it is allowed or accepted: only a rule takes it there.
    leaves_sandbox: bool = False
    # Whether that rests on the program's basename alone. The caller then makes sure that the sandboxed side
    # could not have put the file there.
    by_basename: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """A program about to run: its argv, the path given to execve, and the real path of that file."""

    argv: tuple[str, ...]
    program: str
    real_program: str | None = None

    def command(self, name: str) -> tuple[str, ...]:
        """Return the command line as it reads with the program under this name."""
        return (name, *self.argv[1:])

    @property
    def names(self) -> list[str]:
        """Every name the program goes by; a program of many applets goes by its argv[0]."""
        called = basename(self.argv[0]).removeprefix("-") if self.argv else ""
        given = self.program
        lexical = normalised(given) if given.startswith("/") else given
        names = [given, lexical, self.real_program or "", called if called != basename(given) else ""]
        return [name for name in dict.fromkeys(names) if name]

    @property
    def trusted_names(self) -> list[str]:
        """The names for which an allow counts.

        - The path as given, unless it has `..` and the like in it: by name that may be another file than on disk.
        - The real path, if the link to it has the same basename: `/bin/git` is `/usr/bin/git`, but a link
          called `ls` to a program of many applets is not that program.
        - None at all if the program would see another name in argv[0] than the one that was judged.
        """
        last = basename(self.program)
        if self.argv and basename(self.argv[0]).removeprefix("-") != last:
            return []
        plain = not self.program.startswith("/") or normalised(self.program) == self.program
        names = [self.program] if plain else []
        if self.real_program is not None and basename(self.real_program) == last:
            names.append(self.real_program)
        return names


def judge(policy: Policy, execution: Execution, *, broken: str | None = None) -> Verdict:
    """Decide about an execution; `broken` says which rules files could not be used, if any."""
    verdict = _by_rules(policy, execution) or _by_heuristics(execution)
    if broken is None or verdict.decision > Decision.ALLOW:
        return verdict
    return dataclasses.replace(verdict, decision=Decision.PROMPT, source=Source.BROKEN_RULES, reason=broken)


def _by_rules(policy: Policy, execution: Execution) -> Verdict | None:
    trusted = execution.trusted_names
    found: dict[int, RuleMatch] = {}
    for name in execution.names:
        for match in policy.evaluate(execution.command(name), resolution=Resolution.STRICT).matches:
            if match.decision > Decision.ALLOW or name in trusted:
                found.setdefault(match.order, match)
    if not found:
        return None
    matches = tuple(found[order] for order in sorted(found))
    decision = max(match.decision for match in matches)
    way_out = _strictest(match for match in matches if not match.rule.could_be_planted)
    return Verdict(
        decision=decision,
        source=Source.RULE,
        matches=matches,
        reason=_justification(_strictest(matches)),
        leaves_sandbox=decision < Decision.FORBIDDEN and bool(way_out),
        by_basename=not any(match.rule.first.startswith("/") for match in way_out),
    )


def _strictest(matches: Iterable[RuleMatch]) -> list[RuleMatch]:
    found = list(matches)
    decision = max((match.decision for match in found), default=None)
    return [match for match in found if match.decision == decision]


def _justification(matches: Iterable[RuleMatch]) -> str | None:
    """Return the words of the rule that says most about the command."""
    longest = sorted(matches, key=lambda match: -match.rule.length)
    return next((match.rule.justification for match in longest if match.rule.justification), None)


def _by_heuristics(execution: Execution) -> Verdict:
    reasons = (danger_in(execution.command(name)) for name in execution.names)
    reason = next((reason for reason in reasons if reason is not None), None)
    if reason is None:
        return Verdict(decision=Decision.ALLOW, source=Source.UNMATCHED)
    return Verdict(decision=Decision.PROMPT, source=Source.HEURISTIC, reason=reason)


def execution_of(argv: Sequence[str], program: str | None, real_program: str | None) -> Execution:
    """Describe an execution; without a path, argv[0] is all the program is known by."""
    given = program if program is not None else (argv[0] if argv else "")
    return Execution(argv=tuple(argv), program=given, real_program=real_program)
