"""Canonical caseless comparison of tokens, for rules with `canonical_matching = True`.

Two tokens are equal when their keys are: NFD, full case folding, NFD again (Unicode 3.13, D145).
No compatibility mapping, no trimming: full-width letters and zero-width characters stay different.
https://www.unicode.org/versions/latest/core-spec/chapter-3/#G53253
"""

import unicodedata

# Case pairs that Unicode 16 added. Drop this when the oldest supported Python knows Unicode 16 (3.14 does).
_NEWER_FOLDS: dict[int, int] = {
    0x1C89: 0x1C8A,
    0xA7CB: 0x0264,
    0xA7CC: 0xA7CD,
    0xA7DA: 0xA7DB,
    0xA7DC: 0x019B,
    **{0x10D50 + offset: 0x10D70 + offset for offset in range(0x16)},
}


def caseless_key(token: str) -> str:
    """Return what two canonically, caselessly equal tokens have in common."""
    if token.isascii():
        return token.lower()
    folded = unicodedata.normalize("NFD", token).casefold().translate(_NEWER_FOLDS)
    return unicodedata.normalize("NFD", folded)
