"""What the sandboxed side says is shown so that it can't pretend to be anything else."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.mcp_server.display import command_line, plain, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("grüße 日本", "grüße 日本"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("wide\u3000space", "wide\\u3000space"),
        ("no\u00a0break", "no\\xa0break"),
        (os.fsdecode(b"byte \xff"), "byte \\xff"),
        ("\ud800", "\\ud800"),
    ],
)
def test_every_character_is_what_it_looks_like(text, shown):
    assert plain(text) == shown


@given(st.text())
def test_nothing_shown_breaks_a_line_or_hides(text):
    assert plain(text).isprintable()
    plain(text).encode()


def test_words_are_quoted_as_a_shell_needs_it():
    assert command_line(["/bin/echo", "two words", "a'b", ""]) == "/bin/echo 'two words' 'a'\"'\"'b' ''"


def test_a_long_text_is_cut_in_the_middle_visibly():
    assert shortened("a" * 10 + "b" * 10, 10) == "aaaaa [... 10 characters ...] bbbbb"
    assert shortened("short", 10) == "short"


def test_a_command_line_of_megabytes_is_short_when_shown():
    assert len(command_line(["x" * 100_000] * 1000)) < 2100
