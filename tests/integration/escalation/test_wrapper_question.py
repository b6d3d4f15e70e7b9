"""What a wrapper asks, and what it does where there is nobody to ask: both of them."""

import base64
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from integration.escalation.asked import DEADLINE_S, SOCKET, refused


def test_the_request_holds_file_argv_workdir_and_environment_and_nothing_of_the_supervision(ask, tmp_path):
    asked = ask("/bin/echo", "echo", "a b", 'q"\\\n\x01é', env={"X": "1", "EXEC_WRAPPER": "w"}, cwd=tmp_path)
    asked.answer({"action": "Run"})
    assert asked.request == {
        "file": "/bin/echo",
        "argv": ["echo", "a b", 'q"\\\n\x01é'],
        "workdir": str(tmp_path),
        "env": {"PATH": "/usr/bin:/bin", "X": "1"},
    }
    assert asked.end() == (0, 'a b q"\\\n\x01é\n'.encode(), b"")


def test_bytes_that_are_not_utf8_are_asked_about_exactly_and_run_unchanged(ask, tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xe9"
    os.mkdir(odd)
    asked = ask(
        b"/bin/sh", b"sh", b"-c", b'printf %s "$1$X"; pwd', b"\xff", b"<\xfe>", env={b"X": b"\xe9"}, cwd=odd
    )
    asked.answer({"action": "Run"})
    request = asked.request
    assert request["argv"][-1] == "<\ufffd>"
    assert [base64.b64decode(word) for word in request["argv_bytes"]][-2:] == [b"\xff", b"<\xfe>"]
    assert base64.b64decode(request["workdir_bytes"]) == odd
    assert b"X=\xe9" in [base64.b64decode(entry) for entry in request["env_bytes"]]
    assert "file_bytes" not in request
    assert asked.end() == (0, b"<\xfe>\xe9" + odd + b"\n", b"")


@pytest.mark.parametrize(
    "text",
    [b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"ok\xc3"],
    ids=["overlong", "surrogate", "beyond Unicode", "cut short", "four cut short", "tail alone", "end"],
)
def test_what_only_looks_like_utf8_is_carried_as_bytes(ask, text):
    asked = ask("/bin/true", "true", text).answer({"action": "Run"})
    assert base64.b64decode(asked.request["argv_bytes"][1]) == text


@pytest.mark.parametrize("text", ["é", "€", "😀", "\u07ff", "\uffff", "\U0010ffff", ""])
def test_utf8_of_every_length_needs_no_bytes(ask, text):
    asked = ask("/bin/true", "true", text).answer({"action": "Run"})
    assert asked.request["argv"] == ["true", text]
    assert "argv_bytes" not in asked.request


def test_two_thousand_arguments_and_a_megabyte_arrive_and_run(ask):
    words = [f"{number:0500}" for number in range(2000)]
    asked = ask("/bin/sh", "sh", "-c", "echo $#", "sh", *words).answer({"action": "Run"})
    assert asked.request["argv"][4:] == words
    assert asked.end()[:2] == (0, b"2000\n")


def test_a_directory_that_is_gone_does_not_stop_a_command(ask, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    asked = ask("/bin/echo", "echo", "ran", cwd=gone, preexec_fn=gone.rmdir)
    asked.answer({"action": "Run"})
    assert not Path(asked.request["workdir"]).exists()
    assert asked.end()[1] == b"ran\n"


def test_without_a_socket_variable_nothing_runs(wrapper):
    assert b"CODEX_ESCALATE_SOCKET is not set" in refused(wrapper, {})


@pytest.mark.parametrize("value", ["", "x", "-1", "3x", " 3", "+3", "99999999999", "0x3"])
def test_a_variable_that_is_no_number_runs_nothing(wrapper, value):
    assert b"not the number of a descriptor" in refused(wrapper, {SOCKET: value})


def test_a_closed_descriptor_runs_nothing(wrapper):
    refused(wrapper, {SOCKET: "123"})


def test_a_descriptor_that_is_no_socket_runs_nothing(wrapper):
    with tempfile.TemporaryFile() as file:
        refused(wrapper, {SOCKET: str(file.fileno())}, pass_fds=[file.fileno()])


def test_a_socket_whose_server_is_gone_runs_nothing(wrapper):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.close()
    with theirs:
        refused(wrapper, {SOCKET: str(theirs.fileno())}, pass_fds=[theirs.fileno()])


def test_without_arguments_it_says_how_it_is_called(wrapper):
    done = subprocess.run([wrapper], capture_output=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr[:6]) == (126, b"", b"usage:")


def test_a_command_without_any_argument_is_asked_about_and_run(ask):
    asked = ask("/bin/true").answer({"action": "Run"})
    assert asked.request["argv"] == []
    assert asked.end()[0] == 0
