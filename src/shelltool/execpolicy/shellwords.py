"""Splitting and joining of example strings: the word rules of the Rust `shlex` crate, which are POSIX quoting.

Nothing is expanded and no operator is special. Unlike Python's `shlex`, only space, tab and newline separate,
`#` comments start at a word's start only, and a backslash in double quotes escapes five characters only.
https://docs.rs/shlex/latest/shlex/
"""

from collections.abc import Sequence

_SEPARATORS = " \t\n"
_ESCAPED_IN_DOUBLE_QUOTES = '$`"\\'
_BARE = frozenset("@+,:./-_]0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# A caret and an exclamation mark mean something to an interactive shell unless single-quoted; a caret even
# then, except as the first character (bash). A backslash in single quotes means something to fish.
_NOT_IN_SINGLE_QUOTES = frozenset("'\\^")
_NOT_IN_DOUBLE_QUOTES = frozenset("!^$`")


class _UnfinishedError(ValueError):
    """A quote without its end, or a backslash with nothing after it."""


def split(text: str) -> list[str] | None:
    """Return the words of `text`, or None where a quote or an escape is unfinished."""
    words: list[str] = []
    position = 0
    try:
        while (position := _skip_blank(text, position)) < len(text):
            word, position = _read_word(text, position)
            words.append(word)
    except _UnfinishedError:
        return None
    return words


def _skip_blank(text: str, position: int) -> int:
    while position < len(text):
        if text[position] in _SEPARATORS:
            position += 1
        elif text[position] == "#":
            newline = text.find("\n", position)
            position = len(text) if newline < 0 else newline
        else:
            break
    return position


def _read_word(text: str, position: int) -> tuple[str, int]:
    parts: list[str] = []
    while position < len(text) and text[position] not in _SEPARATORS:
        part, position = _read_part(text, position)
        parts.append(part)
    return "".join(parts), position


def _read_part(text: str, position: int) -> tuple[str, int]:
    character = text[position]
    if character == "'":
        end = text.find("'", position + 1)
        if end < 0:
            raise _UnfinishedError
        return text[position + 1 : end], end + 1
    if character == '"':
        return _read_double_quoted(text, position + 1)
    if character == "\\":
        if position + 1 == len(text):
            raise _UnfinishedError
        # A continued line adds nothing, yet it begins a word: the crate does the same.
        return text[position + 1].replace("\n", ""), position + 2
    return character, position + 1


def _read_double_quoted(text: str, position: int) -> tuple[str, int]:
    parts: list[str] = []
    while position < len(text):
        character = text[position]
        following = text[position + 1 : position + 2]
        if character == '"':
            return "".join(parts), position + 1
        if character == "\\" and following == "\n":
            position += 2
        elif character == "\\" and following and following in _ESCAPED_IN_DOUBLE_QUOTES:
            parts.append(following)
            position += 2
        else:
            parts.append(character)
            position += 1
    raise _UnfinishedError


def join(words: Sequence[str]) -> str | None:
    """Render words so that `split` gives them back, or None where one holds a NUL."""
    if any("\0" in word for word in words):
        return None
    return " ".join(_quote(word) for word in words)


def _quote(word: str) -> str:
    if not word:
        return "''"
    chunks: list[str] = []
    while word:
        length, style = _longest_chunk(word)
        chunk, word = word[:length], word[length:]
        if style == '"':
            chunk = chunk.replace("\\", "\\\\").replace('"', '\\"')
        chunks.append(style + chunk + style)
    return "".join(chunks)


def _longest_chunk(word: str) -> tuple[int, str]:
    """How much of the word one style of quoting can carry, and the least heavy style that does."""
    styles = {"'"} if word[0] == "^" else {"", "'", '"'}
    length = 1 if word[0] == "^" else 0
    while length < len(word):
        narrowed = styles - _impossible_styles(word[length])
        if not narrowed:
            break
        styles = narrowed
        length += 1
    return length, min(styles, key=("", "'", '"').index)


def _impossible_styles(character: str) -> set[str]:
    impossible = set() if character in _BARE else {""}
    if character in _NOT_IN_SINGLE_QUOTES:
        impossible.add("'")
    if character in _NOT_IN_DOUBLE_QUOTES:
        impossible.add('"')
    return impossible
