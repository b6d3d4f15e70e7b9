"""Binding of a call's arguments to a statement's parameters, with the language's own type errors.

Values arrive tagged with their Starlark type (see `evaluator`), because Starlark's tuples and lists, for one,
are both lists by the time Python sees them, and a tuple is not accepted where a list is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shelltool.execpolicy.invalid import StatementError

# [type, value] for strings and booleans, [type, items, repr] for lists, [type, repr] for anything else.
# An item that is neither a string nor a list is just [type].
Tagged = Sequence[Any]

_SHOWN_TYPES = {"string": "str"}
# What stands for a `b"…"` literal, which the library does not know.
_OTHER_NAMES = {"opaque_python_object": "bytes"}


class Parameter(NamedTuple):
    """A named parameter; the type is Starlark's name for it."""

    name: str
    type: str
    required: bool = False


def type_name(value: Tagged) -> str:
    """Return the type of a tagged value as messages name it."""
    name = str(value[0])
    return _OTHER_NAMES.get(name, name)


def bind(
    function: str, parameters: Sequence[Parameter], positional: Sequence[Tagged], named: Mapping[str, Tagged]
) -> dict[str, Tagged]:
    """Return the given arguments by parameter name, or refuse the call."""
    known = [parameter.name for parameter in parameters]
    bound = dict(zip(known, positional, strict=False))
    for name in named:
        if name in bound:
            raise StatementError(f"Argument `{name}` occurs more than once")
    bound.update((name, value) for name, value in named.items() if name in known)
    if (extra := len(positional) - len(known)) > 0:
        raise StatementError(f"Found {extra} extra positional argument(s) for call to {function}")
    if unknown := " ".join(f"`{name}`" for name in named if name not in known):
        raise StatementError(f"Found {unknown} extra named parameter(s) for call to {function}")
    for parameter in parameters:
        _check(function, parameter, bound.get(parameter.name))
    return bound


def _check(function: str, parameter: Parameter, value: Tagged | None) -> None:
    if value is None:
        if parameter.required:
            raise StatementError(f"Missing parameter `{parameter.name}` for call to `{function}`")
    elif value[0] != parameter.type:
        expected = _SHOWN_TYPES.get(parameter.type, parameter.type)
        raise StatementError(
            f"Type of parameter `{parameter.name}` doesn't match, expected `{expected}`, "
            f"actual `{type_name(value)} (repr: {_shown(value)})`"
        )


def _shown(value: Tagged) -> str:
    if value[0] == "string":
        return str(value[2])
    if value[0] == "bool":
        return str(value[1])
    return str(value[-1])
