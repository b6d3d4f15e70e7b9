"""Text from the sandboxed side, made safe to be shown to a person: it can't pretend to be something else.

Control characters, line ends and characters that change the direction or hide are escaped, and what is long is cut
in the middle, visibly.
"""

import shlex
import unicodedata
from collections.abc import Sequence

SHOWN_CHARS = 2000
_UNSEEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}


def plain(text: str) -> str:
    r"""Give text of which every character is what it looks like; bytes that are not UTF-8 come as `\xNN`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def command_line(words: Sequence[str], limit: int = SHOWN_CHARS) -> str:
    """Give words as they would be typed into a shell, on one line and not endless."""
    return shortened(" ".join(shlex.quote(plain(shortened(word, limit))) for word in words[:limit]), limit)


def shortened(text: str, limit: int = SHOWN_CHARS) -> str:
    """Cut a long text in the middle."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} [... {len(text) - 2 * half} characters ...] {text[-half:]}"


def _visible(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"  # a byte that is not UTF-8, as os.fsdecode gives it
    # Spaces that are wider, narrower or no spaces at all could push text out of sight.
    odd_space = character != " " and unicodedata.category(character) == "Zs"
    if odd_space or unicodedata.category(character) in _UNSEEN:
        return character.encode("unicode_escape").decode("ascii")
    return character
