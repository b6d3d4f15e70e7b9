"""The three statements of a rules file: `prefix_rule`, `host_executable` and `network_rule`.

Each function takes the tagged arguments of one call (see `arguments`) and returns the plain values that
`wire` describes, or refuses the call with the sentence that its author reads. Runs next to the evaluated
file, in the child process, and imports nothing that takes time to load.
"""

from collections.abc import Callable, Mapping, Sequence

from shelltool.execpolicy.arguments import Parameter, Tagged, bind, type_name
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.hosts import parse_host, parse_network_decision, parse_protocol
from shelltool.execpolicy.invalid import StatementError
from shelltool.execpolicy.programs import basename, is_bare_name, normalised
from shelltool.execpolicy.shellwords import split

Statement = dict[str, object]

_PREFIX_RULE = (
    Parameter("pattern", "list", required=True),
    Parameter("decision", "string"),
    Parameter("match", "list"),
    Parameter("not_match", "list"),
    Parameter("justification", "string"),
    Parameter("canonical_matching", "bool"),
)
_HOST_EXECUTABLE = (Parameter("name", "string", required=True), Parameter("paths", "list", required=True))
_NETWORK_RULE = (
    Parameter("host", "string", required=True),
    Parameter("protocol", "string", required=True),
    Parameter("decision", "string", required=True),
    Parameter("justification", "string"),
)


def prefix_rule(positional: Sequence[Tagged], named: Mapping[str, Tagged]) -> Statement:
    """Accept a rule and its examples; the examples are checked when the whole file is known."""
    given = bind("prefix_rule", _PREFIX_RULE, positional, named)
    decision = Decision.parse(given["decision"][1]) if "decision" in given else Decision.ALLOW
    return {
        "decision": decision.word,
        "justification": _justification(given),
        "pattern": _pattern(given["pattern"][1]),
        "match": _examples(given, "match"),
        "not_match": _examples(given, "not_match"),
        "canonical_matching": bool(given["canonical_matching"][1])
        if "canonical_matching" in given
        else False,
    }


def _justification(given: Mapping[str, Tagged]) -> str | None:
    if "justification" not in given:
        return None
    text = str(given["justification"][1])
    if not text.strip():
        raise StatementError("invalid rule: justification cannot be empty")
    return text


def _pattern(elements: Sequence[Tagged]) -> list[list[str]]:
    if not elements:
        raise StatementError("invalid pattern element: pattern cannot be empty")
    return [_alternatives(element) for element in elements]


def _alternatives(element: Tagged) -> list[str]:
    if element[0] == "string":
        return [element[1]]
    if element[0] != "list":
        raise StatementError(
            f"invalid pattern element: pattern element must be a string or list of strings (got {type_name(element)})"
        )
    if not element[1]:
        raise StatementError("invalid pattern element: pattern alternatives cannot be empty")
    return _strings(element[1], "invalid pattern element: pattern alternative must be a string")


def _strings(items: Sequence[Tagged], requirement: str) -> list[str]:
    for item in items:
        if item[0] != "string":
            raise StatementError(f"{requirement} (got {type_name(item)})")
    return [item[1] for item in items]


def _examples(given: Mapping[str, Tagged], name: str) -> list[list[str]]:
    return [_example(item) for item in given[name][1]] if name in given else []


def _example(item: Tagged) -> list[str]:
    if item[0] == "string":
        words = split(item[1])
        if words is None:
            raise StatementError("invalid example: example string has invalid shell syntax")
        if not words:
            raise StatementError("invalid example: example cannot be an empty string")
        return words
    if item[0] != "list":
        raise StatementError(
            f"invalid example: example must be a string or list of strings (got {type_name(item)})"
        )
    if not item[1]:
        raise StatementError("invalid example: example cannot be an empty list")
    return _strings(item[1], "invalid example: example tokens must be strings")


def host_executable(positional: Sequence[Tagged], named: Mapping[str, Tagged]) -> Statement:
    """Accept the list of paths at which a program may lie."""
    given = bind("host_executable", _HOST_EXECUTABLE, positional, named)
    name = str(given["name"][1])
    if not name:
        raise StatementError("invalid rule: host_executable name cannot be empty")
    if not is_bare_name(name):
        raise StatementError(
            f"invalid rule: host_executable name must be a bare executable name (got {name})"
        )
    paths = _strings(given["paths"][1], "invalid rule: host_executable paths must be strings")
    return {"name": name, "paths": sorted({_host_path(path, name) for path in paths})}


def _host_path(path: str, name: str) -> str:
    if not path.startswith("/"):
        raise StatementError(f"invalid rule: host_executable paths must be absolute (got {path})")
    lexical = normalised(path)
    if basename(lexical) != name:
        raise StatementError(f"invalid rule: host_executable path `{path}` must have basename `{name}`")
    return lexical


def network_rule(positional: Sequence[Tagged], named: Mapping[str, Tagged]) -> Statement:
    """Accept a rule about a host."""
    given = bind("network_rule", _NETWORK_RULE, positional, named)
    return {
        "host": parse_host(given["host"][1]),
        "protocol": parse_protocol(given["protocol"][1]),
        "decision": parse_network_decision(given["decision"][1]).word,
        "justification": _justification(given),
    }


STATEMENTS: Mapping[str, Callable[[Sequence[Tagged], Mapping[str, Tagged]], Statement]] = {
    "prefix_rule": prefix_rule,
    "host_executable": host_executable,
    "network_rule": network_rule,
}
