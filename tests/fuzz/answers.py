"""Hypothesis strategies for what an escalation server might say: almost right, wrong in one place, or anything at all."""

import json

from hypothesis import strategies as st

KEYS = ("action", "protocol", "exit_code", "errno", "stopped", "Deny", "reason", "x", "")
NUMBERS = (
    "0",
    "1",
    "2",
    "-1",
    "-0",
    "00",
    "01",
    "2147483647",
    "2147483648",
    "-2147483648",
    "1.0",
    "1e3",
    "+1",
    "NaN",
)
ODDITIES = (
    b'"\\ud800"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ude00"', b'"\\u0000"', b'"\\x"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"',
    b'"a', b"\\", b"[[", b"nul", b"-", b"1.", b"1e", b".5", b"-Infinity", b"\x00", b"\xef\xbb\xbf", b" ", b",", b"}", b"\t",
)  # fmt: skip

texts = st.text(max_size=8)
scalars = st.one_of(
    st.sampled_from(("true", "false", "null", '"Run"', '"Escalate"', '"Deny"', '{"Deny":{}}', *NUMBERS)),
    texts.map(json.dumps),
    st.integers(-3, 300).map(str),
)
spaces = st.sampled_from(("", "", "", " ", "\n\t"))


def _object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{space}{json.dumps(key)}{space}:{value}" for key, value, space in members) + "}"


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(KEYS) | texts
    objects = st.lists(st.tuples(keys, inner, spaces), max_size=4).map(_object)
    arrays = st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
    return objects | arrays


values = st.recursive(scalars, _containers, max_leaves=8)
denials = st.lists(st.tuples(st.sampled_from(("reason", "x")), scalars, spaces), max_size=3).map(_object)
actions = st.sampled_from(('"Run"', '"Escalate"')) | denials.map(lambda denial: f'{{"Deny":{denial}}}')
members = st.one_of(
    st.tuples(st.just("action"), actions, spaces),
    st.tuples(st.sampled_from(KEYS[1:5]), st.sampled_from(NUMBERS) | st.integers(0, 300).map(str), spaces),
    st.tuples(st.sampled_from(KEYS) | texts, values, spaces),
)
answers = st.lists(members, max_size=4).map(_object).map(str.encode)
nested = st.integers(55, 75).map(lambda depth: b'{"x":' + b"[" * depth + b"]" * depth + b"}")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Give an answer with something else in one place."""
    answer = draw(answers)
    start = draw(st.integers(0, len(answer)))
    return answer[:start] + draw(st.sampled_from(ODDITIES)) + answer[start + draw(st.integers(0, 2)) :]


frames = st.one_of(answers, damaged(), values.map(str.encode), nested, st.binary(max_size=60))
