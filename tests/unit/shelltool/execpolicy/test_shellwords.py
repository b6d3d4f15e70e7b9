import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.execpolicy.shellwords import join, split

AWKWARD = st.text(st.sampled_from(list(" \t\n\r'\"\\$`!^#*~|&;<>(){}[]=%,@+-._/:é日aZ0")), max_size=8)


@given(st.lists(AWKWARD | st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=5))
def test_joined_words_split_into_the_same_words(words):
    assert split(join(words) or "") == words


@given(st.text(max_size=40) | AWKWARD)
def test_any_text_is_split_or_refused(text):
    words = split(text)
    assert words is None or all(isinstance(word, str) for word in words)


@given(st.lists(AWKWARD.filter(lambda word: word), min_size=1, max_size=5))
def test_a_shell_reads_joined_words_as_we_do(words):
    shell = shutil.which("sh") or pytest.skip("needs a POSIX shell")
    done = subprocess.run(
        [shell, "-c", f"printf '%s\\0' {join(words)}"], capture_output=True, timeout=10, check=True
    )
    assert done.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("a  b\tc\nd", ["a", "b", "c", "d"]),
        ("a\rb a\u00a0b", ["a\rb", "a\u00a0b"]),
        ("a # b\nc", ["a", "c"]),
        ("a#b '#c'", ["a#b", "#c"]),
        ("#", []),
        (r"""'a\b' "a\b" a\b""", ["a\\b", "a\\b", "ab"]),
        (r'''"\$ \` \" \\"''', ['$ ` " \\']),
        ('a"b\\\nc"\\\nd', ["abcd"]),
        ("\\\n#a", ["#a"]),
        ("\\\n", [""]),
        ("''", [""]),
        ("$'x'", ["$x"]),
        ("a && b > $c", ["a", "&&", "b", ">", "$c"]),
        ("'a", None),
        ('"a', None),
        ('"a\\', None),
        ("a\\", None),
    ],
)
def test_words_are_split_as_the_reference_does(text, words):
    assert split(text) == words


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("", "''"),
        ("a@+,:./-_]Z9", "a@+,:./-_]Z9"),
        ("a b", "'a b'"),
        ("é", "'é'"),
        ("it's", '"it\'s"'),
        ("a\\b", '"a\\\\b"'),
        ("x!'y", "'x!'\"'y\""),
        ("^'", "'^'\"'\""),
        ("a^b", "a'^b'"),
        ("$'", "'$'\"'\""),
    ],
)
def test_words_are_shown_with_the_lightest_quotes_that_do(word, shown):
    assert join([word]) == shown


def test_a_word_with_a_nul_can_not_be_shown():
    assert join(["a", "b\0"]) is None
