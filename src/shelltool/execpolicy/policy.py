"""The rules of all files together, indexed so that judging a command takes microseconds.

Rules are asked by literal program first and by basename second (`Resolution`); every rule that matches is
reported, in source order, and the strictest decides. Pure and immutable: no I/O, safe from any thread.
"""

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence

from shelltool.execpolicy.caseless import caseless_key
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.programs import absolute, basename
from shelltool.execpolicy.rules import HostExecutable, NetworkRule, PrefixRule, RuleMatch


class Resolution(enum.Enum):
    """How far a rule that names a program by its basename reaches a command that names it by a path."""

    # Not at all: tokens are compared as they are.
    OFF = enum.auto()
    # As `--resolve-host-executables` does: only where no rule on the path itself matched, and only for paths
    # that `host_executable` lists, if it lists any for the name.
    LISTED = enum.auto()
    # As LISTED for allow. A prompt or forbidden rule on a basename holds wherever the program lies and
    # whatever other rules say, so that no further rule and no list can loosen a decision.
    STRICT = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Evaluation:
    """Every rule that matched, in order."""

    matches: tuple[RuleMatch, ...]

    @property
    def decision(self) -> Decision | None:
        """The strictest decision of the matches, None where no rule matched."""
        return max((match.decision for match in self.matches), default=None)

    def to_json(self) -> dict[str, object]:
        """Return what `codex-execpolicy check` prints."""
        shown: dict[str, object] = {"matchedRules": [match.to_json() for match in self.matches]}
        if self.decision is not None:
            shown["decision"] = self.decision.word
        return shown


class _Index:
    """Rules by their first two tokens, so that a hundred rules on one program cost no more than one."""

    __slots__ = ("_longer", "_short")

    def __init__(self) -> None:
        self._short: dict[str, list[int]] = {}
        self._longer: dict[tuple[str, str], list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._short or self._longer)

    def add(self, order: int, first: str, second: Iterable[str]) -> None:
        """Enter a rule; `second` is empty for a rule of one token."""
        alternatives = set(second)
        for token in alternatives:
            self._longer.setdefault((first, token), []).append(order)
        if not alternatives:
            self._short.setdefault(first, []).append(order)

    def look_up(self, first: str, second: str | None) -> list[int]:
        """Return the rules whose first two tokens, or only one, are these; in source order."""
        found = list(self._short.get(first, ()))
        if second is not None:
            found += self._longer.get((first, second), ())
        return sorted(found)


class Policy:
    """An immutable set of rules in source order."""

    __slots__ = ("_caseless", "_exact", "hosts", "network_rules", "rules")

    def __init__(
        self,
        rules: Sequence[PrefixRule] = (),
        *,
        hosts: Sequence[HostExecutable] = (),
        network_rules: Sequence[NetworkRule] = (),
    ) -> None:
        self.rules = tuple(rules)
        # A later entry for the same name replaces the earlier one.
        self.hosts: Mapping[str, frozenset[str]] = {entry.name: entry.paths for entry in hosts}
        self.network_rules = tuple(network_rules)
        self._exact = _Index()
        self._caseless = _Index()
        for order, rule in enumerate(self.rules):
            if rule.canonical:
                self._caseless.add(order, caseless_key(rule.first), map(caseless_key, rule.second))
            else:
                self._exact.add(order, rule.first, rule.second)

    def evaluate(self, command: Sequence[str], *, resolution: Resolution = Resolution.OFF) -> Evaluation:
        """Ask all rules about a command line: argv, its first token being what names the program."""
        if not command:
            return Evaluation(())
        name = command[0]
        literal = [self._match(order, name, command, None) for order in self._candidates(name, command)]
        if resolution is Resolution.OFF or (literal and resolution is Resolution.LISTED):
            return Evaluation(tuple(literal))
        return Evaluation(tuple(literal + self._by_basename(command, literal, resolution)))

    def _candidates(self, name: str, command: Sequence[str]) -> Sequence[int]:
        """Rules on this name whose arguments match: exact spellings in source order, then other spellings."""
        second = command[1] if len(command) > 1 else None
        found = self._exact.look_up(name, second)
        others: list[int] = []
        if self._caseless:
            second = None if second is None else caseless_key(second)
            caseless = self._caseless.look_up(caseless_key(name), second)
            others = [order for order in caseless if self.rules[order].first != name]
            found += [order for order in caseless if self.rules[order].first == name]
        found.sort()
        return [order for order in found + others if self.rules[order].accepts_arguments(command)]

    def _by_basename(
        self, command: Sequence[str], literal: Sequence[RuleMatch], resolution: Resolution
    ) -> list[RuleMatch]:
        path = absolute(command[0])
        if path is None or path == "/":
            return []
        name = basename(path)
        found = [
            order for order in self._candidates(name, command) if self._reaches(order, name, path, resolution)
        ]
        if literal:
            found = [order for order in found if self.rules[order].decision > Decision.ALLOW]
        return [self._match(order, name, command, path) for order in found]

    def _reaches(self, order: int, name: str, path: str, resolution: Resolution) -> bool:
        rule = self.rules[order]
        if resolution is Resolution.STRICT and rule.decision > Decision.ALLOW:
            return True
        # With caseless rules the typed and the written name may differ; entries for either one count.
        lists = (self.hosts.get(name), self.hosts.get(rule.first))
        return all(path in listed for listed in lists if listed is not None)

    def _match(self, order: int, name: str, command: Sequence[str], path: str | None) -> RuleMatch:
        rule = self.rules[order]
        prefix = (name, *command[1 : rule.length])
        return RuleMatch(rule=rule, matched_prefix=prefix, resolved_program=path, order=order)
