"""The wrapper's side of the wire: whatever the server sends is read, or refused, without a step outside of memory.

Both wrappers are compared: what one of them takes for an answer, the other does too, and for the same.
"""

import contextlib
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.answers import frames
from shelltool.escalation.wrapping import ANSWER_LIMIT, Refusal
from shelltool.escalation.wrapping_answer import denial_line, read_answer

pytestmark = pytest.mark.thorough

WHOLE_WRAPPER_EXAMPLES = 300
DEADLINE_S = 20.0


def read_in_python(frame: bytes) -> bytes:
    """Say what the Python wrapper makes of a frame, in the words of answer_reader.c."""
    try:
        answer = read_answer(frame)
    except Refusal:
        return b"0"
    action: Any = answer.get("action")
    name = "-" if action is None else action if isinstance(action, str) else "Deny"
    numbers = [answer.get(key, 0) for key in ("protocol", "exit_code", "errno", "stopped")]
    reason = None if name != "Deny" else action["Deny"].get("reason")
    hexed = "-" if reason is None else denial_line(action).removeprefix(b"Execution denied: ")[:-1].hex()
    return " ".join(map(str, ["1", name, *numbers, hexed])).encode()


@settings(max_examples=10_000)
@given(frame=frames)
@example(frame=b'{"action":"Run","x":"\\')
@example(frame=b'{"action":{"Deny":{"reason":"\xf0\x9f\x98"}}}')
@example(frame=b'{"exit_code":-2147483647,"errno":2147483647}')
def test_both_wrappers_make_the_same_of_any_answer(answer_reader, frame):
    assert answer_reader.read(frame) == read_in_python(frame)


@settings(max_examples=WHOLE_WRAPPER_EXAMPLES)
@given(
    sent=st.one_of(st.binary(max_size=40), frames.map(lambda frame: struct.pack("<I", len(frame)) + frame))
)
@example(sent=struct.pack("<I", ANSWER_LIMIT + 1))
@example(sent=struct.pack("<I", 0xFFFFFFFF) + b"{")
@example(sent=struct.pack("<I", ANSWER_LIMIT) + b" " * ANSWER_LIMIT)
def test_the_whole_wrapper_takes_any_bytes_for_an_answer_or_a_refusal(sanitized_wrapper, sent):
    status, stderr = answered(sanitized_wrapper, sent)
    assert status in {0, 1, 126}, stderr
    if status == 126:
        assert stderr.startswith(b"codex-execve-wrapper: /bin/true: not run: ")
        assert stderr.count(b"\n") == 1


def test_a_frame_over_the_limit_is_refused_by_name(sanitized_wrapper):
    status, stderr = answered(sanitized_wrapper, struct.pack("<I", ANSWER_LIMIT + 1))
    assert status == 126
    assert b"over the limit of 65536 bytes" in stderr


@pytest.mark.parametrize("sent", [b"", b"\1", b"\1\0\0", b"\4\0\0\0{"])
def test_an_answer_that_is_cut_off_is_refused(sanitized_wrapper, sent):
    assert answered(sanitized_wrapper, sent)[0] == 126


def answered(wrapper: Path, sent: bytes) -> tuple[int, bytes]:
    """Run a wrapper whose server says this and no more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with (
        ours,
        theirs,
        subprocess.Popen(
            [wrapper, "/bin/true", "true"],
            env={"CODEX_ESCALATE_SOCKET": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
        ) as process,
    ):
        ours.settimeout(DEADLINE_S)
        _, (fd,), _, _ = socket.recv_fds(ours, 16, 1)
        with socket.socket(fileno=fd) as stream, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stream.settimeout(DEADLINE_S)
            stream.sendall(sent)
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(1 << 16):
                pass
        _, stderr = process.communicate(timeout=DEADLINE_S)
    return process.returncode, stderr
