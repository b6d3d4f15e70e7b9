"""The helper's side of the bargain: what it says is checked, its end is an error, and nothing of it is left."""

import os
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.errors import SandboxUnavailableError
from shelltool.exec_server.files import helper_wire as wire
from shelltool.exec_server.files.helper import Helper
from shelltool.exec_server.files.helper_wire import Call
from shelltool.sandbox import SpawnSpec

DEADLINE_S = 10.0
READY = "import socket, sys, struct; s = socket.socket(fileno=int(sys.argv[1])); s.recv(9000); "
ANSWERS = READY + "s.send(struct.pack('=iI', 0, 0)); s.recv(9000); "


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def start():
    """Start a program as if it was the helper."""
    started = []

    def run(script):
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            spec = SpawnSpec(
                program=sys.executable,
                argv=(sys.executable, "-I", "-S", "-c", script, str(its.fileno())),
                env={},
                cwd="/",
            )
            started.append(Helper(spec, ours, passed=(its.fileno(),)))
        return started[-1]

    yield run
    for helper in started:
        helper.end()
        assert helper._process.returncode is not None


def test_what_it_said_before_it_ended_is_in_the_error(start):
    helper = start("import sys; sys.exit('bwrap: no namespaces')")
    with pytest.raises(SandboxUnavailableError, match="fs sandbox helper failed: bwrap: no namespaces"):
        helper.wait_until_ready()
    assert not helper.is_alive


def test_its_end_is_an_error_of_the_request(start):
    helper = start(ANSWERS)
    helper.wait_until_ready()
    with pytest.raises(SandboxUnavailableError, match="fs sandbox helper failed: it has ended"):
        helper.ask(wire.request(Call.STATUS, "/"))
    with pytest.raises(SandboxUnavailableError):
        helper.ask(wire.request(Call.STATUS, "/"))


def test_one_that_does_not_answer_is_ended(start):
    helper = start(ANSWERS + "s.recv(9000); s.recv(9000)")
    helper.wait_until_ready()
    with pytest.raises(SandboxUnavailableError, match="timed out"):
        helper.ask(wire.request(Call.STATUS, "/"), deadline_s=0.05)
    assert not helper.is_alive


def test_whoever_waits_for_an_answer_when_it_is_ended_gets_an_error(start):
    helper = start(ANSWERS + "s.send(struct.pack('=iI', 0, 0)); s.recv(9000); s.recv(9000)")
    helper.wait_until_ready()
    helper.ask(wire.request(Call.STATUS, "/"))
    told = []

    def ask():
        try:
            helper.ask(wire.request(Call.STATUS, "/"))
        except SandboxUnavailableError as error:
            told.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    ending = threading.Thread(target=helper.end)
    ending.start()
    ending.join(DEADLINE_S)
    assert not ending.is_alive()
    waiting.join(DEADLINE_S)
    assert len(told) == 1


@pytest.mark.parametrize(
    "reply",
    [b"x", struct.pack("=iI", 0, 5) + b"abc", struct.pack("=iI", -5, 0), struct.pack("=iI", 0, 0) + b"x"],
)
def test_rubbish_is_no_answer(start, reply):
    helper = start(ANSWERS + f"s.send({reply!r}); s.recv(9000)")
    helper.wait_until_ready()
    with pytest.raises(SandboxUnavailableError, match="a reply"):
        helper.ask(wire.request(Call.STATUS, "/"))
    assert not helper.is_alive


def test_a_program_that_is_not_there_is_an_error():
    before = open_descriptors()
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its, pytest.raises(SandboxUnavailableError, match="/no/such: No such file"):
        Helper(SpawnSpec(program="/no/such", argv=("x",), env={}, cwd="/"), ours, passed=())
    assert open_descriptors() == before


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=100), st.integers(0, 3))
def test_requests_carry_paths_as_bytes(path, folders):
    packet = wire.request(Call.RENAME, path, "other", folders=folders)
    call, _, _, given_folders, first, second = wire.REQUEST.unpack_from(packet)
    assert (call, given_folders) == (Call.RENAME, folders)
    assert packet[wire.REQUEST.size :] == os.fsencode(path) + b"other"
    assert (first, second) == (len(os.fsencode(path)), 5)


@pytest.mark.parametrize(("path", "text"), [("a" * 4096, "File name too long"), ("a\0b", "Invalid argument")])
def test_paths_that_the_kernel_would_not_take_are_not_sent(path, text):
    with pytest.raises(OSError, match=text):
        wire.request(Call.STATUS, path)


@given(st.binary(max_size=100))
def test_a_status_of_another_size_is_none(body):
    if len(body) == wire.STATUS.size:
        return
    with pytest.raises(ValueError, match="another size"):
        wire.status(body)
