"""What goes over the wire to a wrapper, and what of a request counts."""

import base64
import json

import pytest

from shelltool.errors import ProtocolError
from shelltool.escalation.exec_message import read_request
from shelltool.escalation.messages import (
    ESCALATE_ANSWER,
    RUN_ANSWER,
    deny_answer,
    stopped_report,
)
from shelltool.escalation.wrapping import ANSWER_LIMIT
from shelltool.escalation.wrapping_answer import denial_line, read_answer


def request(**more):
    return {"file": "/bin/id", "argv": ["id"], "workdir": "/", "env": {"A": "b"}, **more}


def encoded(*texts):
    return [base64.b64encode(text).decode() for text in texts]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_request_is_read_however_it_is_spaced(separators):
    message = read_request(json.dumps(request(), separators=separators).encode())
    assert (message.file, message.argv, message.workdir) == ("/bin/id", ("id",), "/")
    assert message.environment() == {"A": "b"}


def test_exact_bytes_count_more_than_the_text_beside_them():
    more = {"argv_bytes": encoded(b"\xff", b"b"), "env_bytes": encoded(b"A=\xfe", b"=odd", b"none", b"B=c=d")}
    message = read_request(json.dumps(request(**more)).encode())
    assert message.argv == ("\udcff", "b")
    assert message.environment() == {"A": "\udcfe", "B": "c=d"}


def test_a_key_inside_of_another_object_is_not_the_environment():
    frame = b'{"x":{"y":1,"env":{"A":"inner"}},"file":"/","argv":[],"workdir":"/","env":{"A":"outer"}}'
    assert read_request(frame).environment() == {"A": "outer"}


def test_what_is_wrong_is_named_by_its_place():
    with pytest.raises(ProtocolError, match=r"Expected `str`, got `int` - at `\$\.argv\[0\]`"):
        read_request(json.dumps(request(argv=[1])).encode())


@pytest.mark.parametrize("reason", [None, "", "no", 'é\n"\\', "\0", "\udc80", "x" * 100_000])
def test_any_reason_reaches_a_wrapper(reason):
    frame = deny_answer(reason)
    assert len(frame) - 4 == int.from_bytes(frame[:4], "little") <= ANSWER_LIMIT
    line = denial_line(read_answer(frame[4:])["action"])
    assert line.startswith(b"Execution denied")
    assert len(line) < 5000


def test_our_own_answers_are_understood():
    assert read_answer(RUN_ANSWER[4:]) == {"action": "Run"}
    assert read_answer(ESCALATE_ANSWER[4:]) == {"action": "Escalate", "protocol": 2}
    assert read_answer(stopped_report(19)[4:]) == {"stopped": 19}
