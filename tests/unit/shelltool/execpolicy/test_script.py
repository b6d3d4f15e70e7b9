import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.execpolicy.script import simple_commands

PIECES = [
    "rm",
    " ",
    "-f",
    "'",
    '"',
    "\\",
    "$(",
    ")",
    "`",
    "$'",
    "{",
    "}",
    ";",
    "|",
    "&",
    "<<",
    ">",
    "2",
    "#",
    "\n",
    "x=",
]


@pytest.mark.parametrize(
    "script",
    [
        "rm x",
        "a; rm x",
        "a&&rm x||b",
        "a | rm x",
        "a & rm x",
        "a\nrm x",
        "(rm x)",
        "{ rm x; }",
        "f() { rm x; }",
        "function f { rm x; }",
        "if a; then rm x; fi",
        "while ! rm x; do :; done",
        "for i in 1 2; do rm x; done",
        "case $a in b) rm x;; esac",
        "A=1 B=2 rm x",
        "rm x >f 2>&1 <g",
        ">f rm x",
        "2>f rm x",
        "rm <<<word x",
        "r''m \"x\"",
        "\\rm x",
        "r\\\nm x",
        "$'\\x72m' x",
        "$'\\162\\u006d' x",
        "$'r\\m' x",
        "echo $(rm x)",
        "echo `rm x`",
        'echo "$(rm x)"',
        'echo "`rm x`"',
        'echo "a $(b "c" $(rm x))"',
        "a <(rm x)",
        "cat <<E\nrm x\nE",
        "# comment ' with a quote\nrm x",
        "echo a#b; rm x",
        "echo 'unfinished; rm x",
    ],
)
def test_a_command_is_found_wherever_it_stands(script):
    assert ["rm", "x"] in list(simple_commands(script))


@pytest.mark.parametrize(
    "script", ["", "  ", "# rm x", "echo 'rm x'", 'echo "rm x"', "echo rm\\ x", "A='rm x'", "echo a # rm x"]
)
def test_text_that_is_no_command_is_none(script):
    assert all(command[0] != "rm" for command in simple_commands(script))


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=40))
def test_any_script_is_read_to_its_end(script):
    assert all(words for words in simple_commands(script))


@pytest.mark.parametrize("piece", ["'", '"', "$(", '"$(', "`", "\\", "$'\\", "{ ", "x=1 ", "<", "1", 'a"`"'])
def test_the_largest_argument_that_linux_passes_is_read_quickly(piece):
    script = (piece * 131072)[:131072]
    started = time.process_time()
    for _ in simple_commands(script):
        pass
    assert time.process_time() - started < 5
