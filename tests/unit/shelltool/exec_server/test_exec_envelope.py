"""The envelope: what is read, what is refused, and that nothing else happens to bytes from a stranger."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.exec_server import envelope
from shelltool.exec_server.envelope import MalformedError, Notice, Reply, Request, parse
from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.session_messages import Initialize

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PARSE_LIMIT_S = 10.0
"""A hundred times what it takes."""
ENVELOPES = st.dictionaries(
    st.sampled_from(["id", "method", "params", "result", "error", "trace", "jsonrpc"]), JSON, max_size=5
)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_malformed(data):
    try:
        assert isinstance(parse(data), Request | Notice | Reply)
    except MalformedError as error:
        answer = json.loads(envelope.malformed_response(error, "here"))
        assert (answer["id"], answer["error"]["code"]) == (-1, -32600)


@given(ENVELOPES)
def test_any_object_is_a_message_or_malformed(value):
    try:
        message = parse(json.dumps(value))
    except MalformedError:
        return
    if isinstance(message, Request):
        assert message.id == value["id"]
        assert not isinstance(message.id, bool)
    if isinstance(message, Request | Notice):
        assert message.method == value["method"]
        assert message.params == value.get("params")


@given(JSON)
def test_text_that_holds_every_kind_of_value_comes_back(value):
    message = (
        parse(json.dumps({"id": "x", "method": "m", "params": [value]}, allow_nan=False))
        if _is_plain(value)
        else None
    )
    assert message is None or message == Request("x", "m", [value])


def _is_plain(value):
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"id":1,"method":"x","id":2}', "duplicate JSON object key `id`"),
        ('{"id":1,"method":"x","params":{"a":[{"b":1,"b":1}]}}', "duplicate JSON object key `b`"),
        ('{"method":"x","params":Infinity}', "Infinity is not JSON"),
        ('{"method":"\\ud800"}', "half of a surrogate pair"),
        ('{"id":1e3,"method":"x"}', "neither a string nor a 64-bit integer"),
        ('{"id":"x"}', "neither `method` nor `result` nor `error`"),
        ('{"id":1,"error":5}', "`error` is not an object"),
        (b"\xff", "can't decode"),
        ("[" * 100_000, "recursion"),
        ('{"id":' + "9" * 5000 + ',"method":"x"}', "digits"),
    ],
)
def test_what_can_be_read_in_two_ways_is_malformed(text, problem):
    with pytest.raises(MalformedError, match=problem):
        parse(text)


def test_a_name_that_is_given_twice_is_found_in_one_pass():
    """Searched for name by name it would take minutes; this is a stranger's text, on the event loop."""
    many = ",".join(f'"{number}":0' for number in range(60_000))
    began = time.process_time()
    with pytest.raises(MalformedError, match="duplicate JSON object key `z`"):
        parse(f'{{{many},"z":0,"z":0}}')
    assert time.process_time() - began < PARSE_LIMIT_S


def test_what_is_written_can_be_read():
    params = Initialize(client_name="ü\n")
    message = parse(envelope.request(7, "initialize", params))
    assert message == Request(
        7, "initialize", {"clientName": "ü\n", "takeOver": False, "capabilities": {"execApprove": False}}
    )
    assert parse(envelope.notification("n", Nothing())) == Notice("n", {})
    assert parse(envelope.response("a", Nothing())) == Reply("a", {}, None)
    error = parse(envelope.error_response(1, RpcError(-5, "text \udc80", {"errno": 2})))
    assert isinstance(error, Reply)
    assert error.error is not None
    assert (error.error.code, error.error.message, error.error.data) == (-5, "text ?", {"errno": 2})
