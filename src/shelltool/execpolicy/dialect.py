"""What the reference program's Starlark accepts and the library does not: rewritten before parsing.

Two things: `b"…"` literals, and f-strings that hold more than plain names. Lines keep their numbers. Can go
when starlark-pyo3 is built on a starlark-rust that knows both.
https://github.com/bazelbuild/starlark/blob/master/spec.md
"""

import re

BYTES_CONSTRUCTOR = "__bytes"

_COMMENT_OR_STRING = re.compile(
    r"""
    \#[^\n]*
    | \"{3} (?:\\.|[^\\])*? \"{3}
    | '{3} (?:\\.|[^\\])*? '{3}
    | " (?:\\.|[^\\\n"])* "
    | ' (?:\\.|[^\\\n'])* '
    """,
    re.VERBOSE | re.DOTALL,
)
_PREFIX = re.compile(r"(?<!\w)(?:r?b|br|r?f|fr)\Z")
_LONGEST_PREFIX = 2
_NAME = re.compile(r"\s*[A-Za-z_]\w*\s*")
_CONVERSION = re.compile(r"(?P<expression>.*)(?P<conversion>![rs])\s*", re.DOTALL)
_OPENING = "([{"
_CLOSING = ")]}"


def adapt(text: str) -> str:
    """Return the text with byte strings and rich f-strings in a form that the library takes."""
    parts: list[str] = []
    done = 0
    for token in _COMMENT_OR_STRING.finditer(text):
        prefix = _prefix_before(text, token.start())
        literal = token.group()
        rewritten = _rewrite(prefix, literal)
        if rewritten is not None:
            parts += [text[done : token.start() - len(prefix)], rewritten]
            done = token.end()
    return "".join([*parts, text[done:]])


def _prefix_before(text: str, start: int) -> str:
    # One character more than the longest prefix, to see that it isn't the end of a longer name.
    found = _PREFIX.search(text[max(0, start - _LONGEST_PREFIX - 1) : start])
    return found.group() if found else ""


def _rewrite(prefix: str, literal: str) -> str | None:
    if literal.startswith("#") or not prefix:
        return None
    rest = "r" if "r" in prefix else ""
    if "b" in prefix:
        return f"{BYTES_CONSTRUCTOR}({rest}{literal})"
    return _format_call(rest, literal)


def _format_call(prefix: str, literal: str) -> str | None:
    """Turn an f-string into a call of `format`, or return None where there is no need or no way."""
    quotes = 3 if literal.startswith(('"""', "'''")) else 1
    template: list[str] = []
    expressions: list[str] = []
    body = literal[quotes:-quotes]
    position = 0
    while position < len(body):
        if body[position] != "{" or body.startswith("{{", position):
            step = 2 if body.startswith(("{{", "}}"), position) else 1
            template.append(body[position : position + step])
            position += step
            continue
        end = _expression_end(body, position + 1)
        if end is None:
            return None
        expression, conversion = _split_conversion(body[position + 1 : end])
        expressions.append(expression)
        template.append("{" + conversion + "}")
        position = end + 1
    if all(_NAME.fullmatch(expression) for expression in expressions) and "{!" not in "".join(template):
        return None
    mark = literal[:quotes]
    arguments = ", ".join(f"({expression})" for expression in expressions)
    return f"({prefix}{mark}{''.join(template)}{mark}.format({arguments}))"


def _expression_end(body: str, position: int) -> int | None:
    """Find the brace that ends an expression; None where there is none, or where a format spec begins."""
    depth = 0
    for index in range(position, len(body)):
        character = body[index]
        if character == "\\" or (character == ":" and not depth):
            return None
        if character == "}" and not depth:
            return index
        depth += (character in _OPENING) - (character in _CLOSING)
    return None


def _split_conversion(text: str) -> tuple[str, str]:
    found = _CONVERSION.fullmatch(text)
    return (found["expression"], found["conversion"]) if found else (text, "")
