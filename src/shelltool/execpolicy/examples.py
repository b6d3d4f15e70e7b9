"""Checks of `match` and `not_match` examples, when a whole file is known, and how a failure is worded.

Only the rules of the same call are asked, with the host executables of this file and the files before it.
The wording shows rules and words in the debug form of the reference program, which its users know.
"""

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence

from shelltool.execpolicy.invalid import StatementError
from shelltool.execpolicy.policy import Policy, Resolution
from shelltool.execpolicy.rules import HostExecutable, PrefixRule, RuleMatch
from shelltool.execpolicy.shellwords import join

# Rules times examples of one file; more would keep the loader busy for seconds.
MOST_COMPARISONS = 500_000
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Mn", "Me"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The rules that one `prefix_rule` call made, and what its author expects of them."""

    rules: tuple[PrefixRule, ...]
    match: Sequence[Sequence[str]]
    not_match: Sequence[Sequence[str]]
    line: int | None

    @property
    def comparisons(self) -> int:
        """The most comparisons that checking may take."""
        return len(self.rules) * (len(self.match) + len(self.not_match))


def check_examples(examples: Examples, hosts: Mapping[str, frozenset[str]]) -> None:
    """Refuse the call whose rules match what they must not, or miss what they must match."""
    entries = [HostExecutable(name=name, paths=paths) for name, paths in hosts.items()]
    policy = Policy(examples.rules, hosts=entries)
    for example in examples.not_match:
        for found in policy.evaluate(example, resolution=Resolution.LISTED).matches:
            raise StatementError(
                f"expected example to not match rule `{_show_match(found)}`: {_show_example(example)}"
            )
    unmatched = [
        example
        for example in examples.match
        if not policy.evaluate(example, resolution=Resolution.LISTED).matches
    ]
    if unmatched:
        rules = _show_list([_quote(_show_rule(rule)) for rule in examples.rules])
        shown = _show_list([_quote(_show_example(example)) for example in unmatched])
        raise StatementError(
            f"expected every example to match at least one rule. rules: {rules}; unmatched examples: {shown}"
        )


def _show_example(example: Sequence[str]) -> str:
    return join(example) or "unable to render example"


def _show_rule(rule: PrefixRule) -> str:
    rest = _show_list([_show_alternatives(alternatives) for alternatives in rule.rest])
    pattern = (
        f"PrefixPattern {{ canonical_matching: {str(rule.canonical).lower()}, "
        f"first: {_quote(rule.first)}, rest: {rest} }}"
    )
    return (
        f"PrefixRule {{ pattern: {pattern}, decision: {rule.decision.name.title()}, "
        f"justification: {_show_option(rule.justification)} }}"
    )


def _show_alternatives(alternatives: Sequence[str]) -> str:
    if len(alternatives) == 1:
        return f"Single({_quote(alternatives[0])})"
    return f"Alts({_show_list([_quote(token) for token in alternatives])})"


def _show_match(match: RuleMatch) -> str:
    return (
        f"PrefixRuleMatch {{ matched_prefix: {_show_list([_quote(token) for token in match.matched_prefix])}, "
        f"decision: {match.decision.name.title()}, resolved_program: {_show_option(match.resolved_program)}, "
        f"justification: {_show_option(match.rule.justification)} }}"
    )


def _show_option(text: str | None) -> str:
    return "None" if text is None else f"Some({_quote(text)})"


def _show_list(items: Sequence[str]) -> str:
    return f"[{', '.join(items)}]"


def _quote(text: str) -> str:
    return f'"{"".join(map(_escape, text))}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if unicodedata.category(character) in _UNPRINTABLE:
        return f"\\u{{{ord(character):x}}}"
    return character
