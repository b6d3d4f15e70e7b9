"""The simple commands in a shell script, found without running or fully parsing it.

For `heuristics`, which would rather see a command too many than one too few: loops, functions, substitutions,
subshells, redirects and heredoc bodies are all just text with commands in it. Nothing is expanded, so this is
a hint about intent and never a boundary. Takes time linear in the length of the script.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<continuation> \\\n )
    | (?P<blank> [ \t\r]+ )
    | (?P<boundary> [\n;&|()`]+ )
    | (?P<redirect> \d* (?: <<< | <<-? | <> | [<>]& | >> | >\| | [<>] ) )
    | ' (?P<single> [^']* ) '
    | \$' (?P<ansi> (?: \\. | [^'\\] )* ) '
    | \$? " (?P<double> (?: \\. | [^"\\] )* ) "
    | \\ (?P<escaped> . )
    | (?P<plain> [^\s;&|()`'"\\<>$]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_SUBSTITUTION = re.compile(r"\$\(|`")
_ESCAPE_IN_DOUBLE_QUOTES = re.compile(r'\\([\\"$`\n])')
# The escapes of $'…' behind which a name can hide; the others stand for themselves.
_ANSI_ESCAPE = re.compile(
    r"\\ (?: x (?P<hex> [0-9a-fA-F]{1,2} ) | u (?P<short> [0-9a-fA-F]{1,4} ) | (?P<octal> [0-7]{1,3} ) | (?P<other> . ) )",
    re.VERBOSE | re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_RESERVED = frozenset({"if", "then", "elif", "else", "do", "while", "until", "!", "coproc"})
_BRACES = frozenset({"{", "}"})


class _Reader:
    """Collects words into commands; what stands in double quotes may hold further scripts."""

    def __init__(self) -> None:
        self.inner: list[str] = []
        self._words: list[str] = []
        self._parts: list[str] = []
        self._begun = False
        self._is_target = False

    @property
    def at_word_start(self) -> bool:
        return not self._begun

    def extend(self, part: str) -> None:
        self._begun = True
        self._parts.append(part)

    def end_word(self) -> None:
        if self._begun and not self._is_target:
            self._words.append("".join(self._parts))
        self._is_target = self._is_target and not self._begun
        self._parts.clear()
        self._begun = False

    def begin_redirect(self) -> None:
        self.end_word()
        self._is_target = True

    def end_command(self) -> list[list[str]]:
        """Return the commands of the words so far; a lone brace stands between two."""
        self.end_word()
        self._is_target = False
        commands: list[list[str]] = [[]]
        for word in self._words:
            if word in _BRACES:
                commands.append([])
            else:
                commands[-1].append(word)
        self._words.clear()
        return [command for command in map(_without_prefix, commands) if command]


def simple_commands(script: str) -> Iterator[list[str]]:
    """Yield every simple command that the script seems to hold, without its assignments and redirects."""
    waiting = [script]
    while waiting:
        reader = _Reader()
        text = waiting.pop()
        position = 0
        while token := _TOKEN.match(text, position):
            position = token.end()
            if token.lastgroup == "plain" and token["plain"].startswith("#") and reader.at_word_start:
                newline = text.find("\n", token.start())
                position = len(text) if newline < 0 else newline
            elif token.lastgroup == "boundary":
                yield from reader.end_command()
            else:
                _take(reader, token)
        yield from reader.end_command()
        waiting += reader.inner


def _take(reader: _Reader, token: re.Match[str]) -> None:
    kind = token.lastgroup or ""
    text = token[kind]
    if kind == "continuation":
        return
    if kind == "blank":
        reader.end_word()
    elif kind == "redirect":
        reader.begin_redirect()
    elif kind == "ansi":
        reader.extend(_ANSI_ESCAPE.sub(_decode, text))
    elif kind == "double":
        reader.inner += _SUBSTITUTION.split(text)[1:]
        reader.extend(_ESCAPE_IN_DOUBLE_QUOTES.sub(_unescape, text))
    else:
        reader.extend(text)


def _unescape(found: re.Match[str]) -> str:
    return found[1].replace("\n", "")


def _decode(found: re.Match[str]) -> str:
    if found["other"] is not None:
        return found["other"]
    return chr(int(found["octal"], 8) if found["octal"] else int(found["hex"] or found["short"], 16))


def _without_prefix(words: list[str]) -> list[str]:
    for index, word in enumerate(words):
        if word not in _RESERVED and not _ASSIGNMENT.match(word):
            return words[index:]
    return []
