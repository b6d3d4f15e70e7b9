import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.execpolicy.caseless import caseless_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("git", "GIT"),
        ("é", "E\u0301"),
        ("ß", "SS"),
        ("\ufb01", "FI"),
        ("\u212a", "k"),
        ("\u017f", "S"),
        ("ς", "Σ"),
        ("각", "\u1100\u1161\u11a8"),
        ("a\u0301\u0316", "A\u0316\u0301"),
        ("\u1c89", "\u1c8a"),
        ("\ua7cb", "\u0264"),
        ("\U00010d65", "\U00010d85"),
    ],
)
def test_canonically_and_caselessly_equal_tokens_have_one_key(one, other):
    assert caseless_key(one) == caseless_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0131", "i"),
        ("İ", "i"),
        ("\uff21", "a"),
        ("\u0430", "a"),
        ("a\u200b", "a"),
        ("a\u00ad", "a"),
        ("²", "2"),
        ("a ", "a"),
    ],
)
def test_lookalikes_keep_their_own_keys(one, other):
    assert caseless_key(one) != caseless_key(other)


@given(st.text())
def test_a_key_is_its_own_key(text):
    assert caseless_key(caseless_key(text)) == caseless_key(text)
