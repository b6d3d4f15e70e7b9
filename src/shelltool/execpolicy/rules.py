"""What rules are, once a file has been accepted: immutable values, with no way to be invalid left.

Owns the values and how one pattern is compared with one command line; which rules are asked, and in
what order, is `policy`'s business.
"""

import dataclasses
from collections.abc import Sequence

from shelltool.execpolicy.caseless import caseless_key
from shelltool.execpolicy.decision import Decision


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PrefixRule:
    """One program (first token) and the alternatives for each token after it."""

    first: str
    rest: tuple[tuple[str, ...], ...] = ()
    decision: Decision = Decision.ALLOW
    justification: str | None = None
    canonical: bool = False
    # Whether sandboxed commands could have written it: then it takes nothing out of the sandbox.
    could_be_planted: bool = False
    # Where it was written, for messages: "path:line".
    origin: str = dataclasses.field(default="", compare=False)
    _accepted: tuple[frozenset[str], ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the sets that tokens are looked up in."""
        accepted = (
            map(caseless_key, alternatives) if self.canonical else alternatives for alternatives in self.rest
        )
        object.__setattr__(self, "_accepted", tuple(frozenset(tokens) for tokens in accepted))

    @property
    def second(self) -> tuple[str, ...]:
        """Return the alternatives for the token after the program, none for a rule of one token."""
        return self.rest[0] if self.rest else ()

    @property
    def length(self) -> int:
        """Number of tokens that a command must have to match."""
        return 1 + len(self.rest)

    def accepts_arguments(self, command: Sequence[str]) -> bool:
        """Whether the tokens after the program begin as the pattern says."""
        if len(command) <= len(self._accepted):
            return False
        tokens = command[1 : self.length]
        if self.canonical:
            return all(
                caseless_key(token) in wanted for token, wanted in zip(tokens, self._accepted, strict=True)
            )
        return all(token in wanted for token, wanted in zip(tokens, self._accepted, strict=True))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuleMatch:
    """One rule that matched: the tokens as typed, and the path if the rule only names its basename."""

    rule: PrefixRule
    matched_prefix: tuple[str, ...]
    resolved_program: str | None = None
    # Position of the rule in the policy, so that matches found in several ways can be put in source order.
    order: int = dataclasses.field(default=0, compare=False)

    @property
    def decision(self) -> Decision:
        """What the rule says."""
        return self.rule.decision

    def to_json(self) -> dict[str, object]:
        """Return the object that `codex-execpolicy check` prints; absent values are left out."""
        shown: dict[str, object] = {
            "matchedPrefix": list(self.matched_prefix),
            "decision": self.decision.word,
        }
        if self.resolved_program is not None:
            shown["resolvedProgram"] = self.resolved_program
        if self.rule.justification is not None:
            shown["justification"] = self.rule.justification
        return {"prefixRuleMatch": shown}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostExecutable:
    """The paths at which a program called `name` may lie for a rule on that name to apply."""

    name: str
    paths: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """A host that a network proxy may or may not let through. Kept, and enforced by whoever owns a proxy."""

    host: str
    protocol: str
    decision: Decision
    justification: str | None = None
