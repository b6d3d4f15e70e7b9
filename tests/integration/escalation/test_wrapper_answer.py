"""What a wrapper does with an answer: run, deny, or refuse what makes no sense. Both of them."""

import resource
import signal
import struct
import tempfile

import pytest

from integration.escalation.asked import SOCKET


def test_run_becomes_the_command_with_the_environment_as_it_was(ask):
    asked = ask("/usr/bin/env", "env", env={"EXEC_WRAPPER": "/w", "A": "1"}).answer(
        {"action": "Run", "new": [1]}
    )
    lines = {b"A=1", b"EXEC_WRAPPER=/w", b"PATH=/usr/bin:/bin", b"%s=%d" % (SOCKET.encode(), asked.number)}
    status, stdout, _ = asked.end()
    assert (status, set(stdout.splitlines())) == (0, lines)


def test_run_leaves_no_descriptor_of_the_conversation_to_the_command(ask):
    with tempfile.TemporaryFile() as file:
        asked = ask("/bin/ls", "ls", "/proc/self/fd", pass_fds=[file.fileno()]).answer({"action": "Run"})
        listing = {asked.number, file.fileno()} | {0, 1, 2}
        inherited = set(map(int, asked.end()[1].split()))
    assert len(inherited - listing) == 1  # the one that ls opens
    assert listing <= inherited


def test_run_leaves_signals_as_they_were(ask):
    def ignore_some() -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    asked = ask("/bin/grep", "grep", "^Sig[BI]", "/proc/self/status", preexec_fn=ignore_some)
    asked.answer({"action": "Run"})
    masks = {
        name: int(value, 16) for name, value in (line.split(b":") for line in asked.end()[1].splitlines())
    }
    assert masks == {b"SigBlk": 1 << signal.SIGUSR2 - 1, b"SigIgn": 1 << signal.SIGUSR1 - 1}


@pytest.mark.parametrize(
    ("denial", "line"),
    [
        ({"reason": None}, b"Execution denied\n"),
        ({}, b"Execution denied\n"),
        ({"reason": "no"}, b"Execution denied: no\n"),
        ({"reason": 'é "q" \\ / \b\f\t 😀'}, 'Execution denied: é "q" \\ / \b\f\t 😀\n'.encode()),
        ({"reason": "two\nlines", "code": [{"deep": None}]}, b"Execution denied: two\nlines\n"),
        ({"reason": "x" * 60_000}, b"Execution denied: " + b"x" * 60_000 + b"\n"),
    ],
)
def test_deny_prints_the_reason_and_exits_1_without_running(ask, denial, line):
    asked = ask("/bin/echo", "echo", "ran").answer({"action": {"Deny": denial}})
    assert asked.end() == (1, b"", line)


@pytest.mark.parametrize("space", ["", " ", "\n\t"])
def test_an_answer_may_come_byte_by_byte_and_hold_white_space(ask, space):
    asked = ask("/bin/echo", "echo", "ran").accept()
    asked.receive()
    text = space.join(["", "{", '"action"', ":", '"Run"', "}", ""]).encode()
    for byte in struct.pack("<I", len(text)) + text:
        asked.stream.send(bytes([byte]))
    assert asked.end() == (0, b"ran\n", b"")


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"Run"',
    b'{"action":"Maybe"}',
    b'{"action":"run"}',
    b'{"action":"Ru"}',
    b'{"action":{}}',
    b'{"action":null}',
    b'{"action":true}',
    b'{"action":["Run"]}',
    b'{"action":{"Run":{}}}',
    b'{"action":{"Deny":null}}',
    b'{"action":{"Deny":"no"}}',
    b'{"action":{"Deny":{"reason":5}}}',
    b'{"action":{"Deny":{},"Run":{}}}',
    b'{"action":"Run"} {}',
    b'{"action":"Run",}',
    b'{"action":"Run" "x":1}',
    b'{"action":"Deny","action":"Run"}',
    b'{"action":"Run","x":"\x01"}',
    b'{"action":"Run","x":tru}',
    b'{"action":"Run","x":"\\q"}',
    b'{"action":"Run","x":"\\u12"}',
    b"{'action':'Run'}",
    b'{"exit_code":0}',
    b'{"Action":"Run"}',
    b'{"action":"Run","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
]


@pytest.mark.parametrize("answer", MALFORMED, ids=[repr(answer[:40]) for answer in MALFORMED])
def test_an_answer_that_makes_no_sense_refuses_the_command_with_a_line_and_126(ask, answer):
    status, stdout, stderr = ask("/bin/echo", "echo", "ran").answer(answer).end()
    assert (status, stdout, stderr.count(b"\n")) == (126, b"", 1)
    assert stderr.startswith(b"codex-execve-wrapper: /bin/echo: not run: ")


def test_an_answer_over_the_limit_is_refused_by_name_before_it_is_read(ask):
    asked = ask("/bin/echo", "echo", "ran").accept()
    asked.receive()
    asked.stream.sendall(struct.pack("<I", 65_537) + b"{")
    status, stdout, stderr = asked.end()
    assert (status, stdout) == (126, b"")
    assert b"over the limit of 65536 bytes" in stderr


def test_a_request_over_the_limit_is_refused_by_name(ask):
    limits = resource.getrlimit(resource.RLIMIT_STACK)
    words = ["\x01" * 131_000] * 40  # each byte becomes six

    def more_stack() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, limits[1]))

    asked = ask("/bin/echo", "echo", *words, preexec_fn=more_stack)
    status, stdout, stderr = asked.end()
    assert (status, stdout) == (126, b"")
    assert b"over the limit of 16777216 bytes" in stderr


@pytest.mark.parametrize("when", ["before the answer", "within the answer", "before the question"])
def test_a_server_that_dies_refuses_the_command(ask, when):
    asked = ask("/bin/echo", "echo", "ran")
    if when != "before the question":
        asked.accept()
        asked.receive()
    if when == "within the answer":
        asked.stream.sendall(struct.pack("<I", 16) + b'{"action":')
    asked.session.close()
    if when != "before the question":
        asked.stream.close()
    status, stdout, stderr = asked.end()
    assert (status, stdout, stderr.count(b"\n")) == (126, b"", 1)
