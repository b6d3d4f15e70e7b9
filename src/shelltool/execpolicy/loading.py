"""From paths to a policy: read each rules file, have it evaluated, check its examples, put all together.

A file counts as a whole or not at all. Evaluation is independent per file and runs side by side; what depends
on the order of files (host executables, examples, the order of rules) is done afterwards, in order.
"""

import concurrent.futures
import dataclasses
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from shelltool.errors import RulesFileError
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.evaluation import evaluate
from shelltool.execpolicy.examples import MOST_COMPARISONS, Examples, check_examples
from shelltool.execpolicy.invalid import StatementError
from shelltool.execpolicy.limits import DEFAULT_LIMITS, Limits
from shelltool.execpolicy.policy import Policy
from shelltool.execpolicy.rules import HostExecutable, NetworkRule, PrefixRule
from shelltool.execpolicy.wire import HostStatement, NetworkStatement, PrefixStatement, Statement

LARGEST_FILE = 1 << 20
# Each one is a short-lived process; more would only queue for the same cores.
_SIDE_BY_SIDE = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedFile:
    """The statements of one file whose own text is in order; its examples are not checked yet."""

    name: str
    rules: tuple[PrefixRule, ...]
    examples: tuple[Examples, ...]
    hosts: tuple[HostExecutable, ...]
    network_rules: tuple[NetworkRule, ...]


class PolicyBuilder:
    """Takes evaluated files in order; a file that is refused leaves no trace."""

    def __init__(self) -> None:
        self._files: list[EvaluatedFile] = []
        self._hosts: dict[str, frozenset[str]] = {}

    def add(self, file: EvaluatedFile, *, could_be_planted: bool = False) -> None:
        """Check the examples of a file and take it in, or raise RulesFileError.

        Of one that `could_be_planted`, only what makes decisions stricter.
        """
        hosts = self._hosts | {entry.name: entry.paths for entry in file.hosts}
        if sum(examples.comparisons for examples in file.examples) > MOST_COMPARISONS:
            raise RulesFileError(
                file.name, f"more than {MOST_COMPARISONS} comparisons of examples with rules"
            )
        for examples in file.examples:
            try:
                check_examples(examples, hosts)
            except StatementError as refusal:
                raise RulesFileError(file.name, str(refusal), line=examples.line) from refusal
        if could_be_planted:
            file = _only_stricter(file)
        self._hosts |= {entry.name: entry.paths for entry in file.hosts}
        self._files.append(file)

    def build(self) -> Policy:
        """Return the policy of all files taken in."""
        return Policy(
            [rule for file in self._files for rule in file.rules],
            hosts=[entry for file in self._files for entry in file.hosts],
            network_rules=[rule for file in self._files for rule in file.network_rules],
        )


def _only_stricter(file: EvaluatedFile) -> EvaluatedFile:
    return dataclasses.replace(
        file,
        rules=tuple(
            dataclasses.replace(rule, could_be_planted=True)
            for rule in file.rules
            if rule.decision > Decision.ALLOW
        ),
        hosts=(),  # they replace what others say about where a program may lie
        network_rules=tuple(rule for rule in file.network_rules if rule.decision > Decision.ALLOW),
    )


def load_rules(paths: Sequence[Path], limits: Limits = DEFAULT_LIMITS) -> Policy:
    """Return the policy of these files, or raise the first RulesFileError in their order."""
    builder = PolicyBuilder()
    for outcome in evaluate_files(paths, limits):
        if isinstance(outcome, RulesFileError):
            raise outcome
        builder.add(outcome)
    return builder.build()


def evaluate_files(
    paths: Sequence[Path], limits: Limits = DEFAULT_LIMITS, *, flags: int = 0
) -> Iterator[EvaluatedFile | RulesFileError]:
    """Evaluate files side by side; yield each one's outcome, in order. `flags` are added to those of `open`."""
    deadline = time.monotonic() + limits.total_seconds
    with concurrent.futures.ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as pool:
        yield from pool.map(lambda path: _outcome(path, limits, deadline, flags), paths)


def _outcome(path: Path, limits: Limits, deadline: float, flags: int) -> EvaluatedFile | RulesFileError:
    # Messages are text, and a path need not be.
    name = os.fsencode(path).decode("utf-8", "replace")
    remaining = int(deadline - time.monotonic())
    if remaining <= 0:
        return RulesFileError(name, f"not read: loading all rules took more than {limits.total_seconds} s")
    try:
        text = _read(path, name, flags)
        bounded = limits._replace(seconds=min(limits.seconds, remaining))
        return _assemble(name, evaluate(name, text, bounded))
    except RulesFileError as error:
        return error


def _read(path: Path, name: str, flags: int) -> str:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags), "rb") as file:
            content = file.read(LARGEST_FILE + 1) or b""
    except OSError as error:
        sentence = f"{error.strerror} (os error {error.errno})"
        raise RulesFileError(name, sentence, step="read") from error
    if len(content) > LARGEST_FILE:
        raise RulesFileError(name, f"larger than {LARGEST_FILE >> 10} KiB", step="read")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise RulesFileError(name, "stream did not contain valid UTF-8", line=line, step="read") from error


def _assemble(name: str, statements: Sequence[Statement]) -> EvaluatedFile:
    rules: list[PrefixRule] = []
    examples: list[Examples] = []
    hosts: list[HostExecutable] = []
    network_rules: list[NetworkRule] = []
    for statement in statements:
        match statement:
            case PrefixStatement():
                made = _prefix_rules(name, statement)
                rules += made
                examples.append(
                    Examples(
                        rules=made, match=statement.match, not_match=statement.not_match, line=statement.line
                    )
                )
            case HostStatement():
                hosts.append(HostExecutable(name=statement.name, paths=frozenset(statement.paths)))
            case NetworkStatement():
                network_rules.append(_network_rule(statement))
    return EvaluatedFile(
        name=name,
        rules=tuple(rules),
        examples=tuple(examples),
        hosts=tuple(hosts),
        network_rules=tuple(network_rules),
    )


def _prefix_rules(name: str, statement: PrefixStatement) -> tuple[PrefixRule, ...]:
    first, *rest = statement.pattern
    tail = tuple(tuple(alternatives) for alternatives in rest)
    return tuple(
        PrefixRule(
            first=token,
            rest=tail,
            decision=Decision.parse(statement.decision),
            justification=statement.justification,
            canonical=statement.canonical_matching,
            origin=f"{name}:{statement.line}" if statement.line else name,
        )
        for token in first
    )


def _network_rule(statement: NetworkStatement) -> NetworkRule:
    return NetworkRule(
        host=statement.host,
        protocol=statement.protocol,
        decision=Decision.parse(statement.decision),
        justification=statement.justification,
    )
