import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.execpolicy.dialect import adapt

SOURCE = st.lists(
    st.sampled_from(
        ["b", "f", "r", "rb", "x", '"', "'", '"""', "{", "}", "{{", "!r", "a", "#", "\\", "\n", " ", ":"]
    ),
    max_size=20,
).map("".join)


@given(SOURCE)
def test_any_text_is_taken_and_lines_keep_their_numbers(text):
    assert adapt(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        '# b"comment"',
        "\"in b'x' string\"",
        '"""doc b"x" """',
        'f"{name} and {other}"',
        'f"{{literal}}"',
        'f"{x:02}"',
        'f"{open"',
        'rub"x"',
        'r"{x.y}"',
        '"{x.y}"',
        '"a\\"b"',
        "f\"{x['\\n']}\"",
    ],
)
def test_what_the_library_takes_or_nobody_does_is_left_alone(text):
    assert adapt(text) == text


@pytest.mark.parametrize(
    ("text", "adapted"),
    [
        ('x = b"a"', 'x = __bytes("a")'),
        ("[rb'a', br'b']", "[__bytes(r'a'), __bytes(r'b')]"),
        ('f"{a.b}"', '("{}".format((a.b)))'),
        ('f"{a!r}-{b}}}"', '("{!r}-{}}}".format((a), (b)))'),
        ("rf'{a[1:2]}\\d'", "(r'{}\\d'.format((a[1:2])))"),
    ],
)
def test_newer_literals_are_written_in_the_older_way(text, adapted):
    assert adapt(text) == adapted
