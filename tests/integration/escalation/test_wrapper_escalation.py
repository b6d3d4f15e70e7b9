"""What a wrapper hands over after Escalate, and how it stands in for the command: both of them."""

import contextlib
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.escalation.asked import DEADLINE_S, Asked
from shelltool.escalation import wrapping


def escalated(ask: Any, *argv: str | bytes, protocol: int | None = 2, **options: Any) -> Asked:
    """Start a wrapper and let it hand over what the command would inherit."""
    asked: Asked = ask("/bin/echo", "echo", *argv, **options)
    asked.answer({"action": "Escalate", **({"protocol": protocol} if protocol else {})})
    return asked


def test_escalate_hands_over_the_inherited_descriptors_with_their_numbers(ask, tmp_path):
    files = [(tmp_path / name).open("w+b", buffering=0) for name in ("a", "b")]
    with files[0], files[1]:
        numbers = [file.fileno() for file in files]
        asked = escalated(ask, pass_fds=numbers)
        message = asked.receive()
        assert message["fds"] == sorted([0, 1, 2, *numbers])
        assert "more" not in message
        for number, file in zip(numbers, files, strict=True):
            received = asked.fds[message["fds"].index(number)]
            assert os.path.samestat(os.fstat(received), os.fstat(file.fileno()))
    asked.send({"exit_code": 0})
    assert asked.end() == (0, b"", b"")


def test_escalate_hands_over_umask_limits_and_signals(ask):
    def be_special() -> None:
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    asked = escalated(ask, preexec_fn=be_special)
    message = asked.receive()
    assert message["umask"] == 0o027
    assert message["rlimits"]["NOFILE"] == [64, 128]
    assert message["rlimits"]["CORE"] == [-1, -1]
    assert set(message["ignored_signals"]) - {signal.SIGPIPE, signal.SIGXFSZ} == {signal.SIGHUP}
    assert message["blocked_signals"] == [signal.SIGUSR2]


def many_descriptors(count: int) -> contextlib.AbstractContextManager[list[int]]:
    @contextlib.contextmanager
    def opened() -> Iterator[list[int]]:
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
        try:
            yield fds
        finally:
            for fd in fds:
                os.close(fd)

    return opened()


def test_forty_descriptors_go_in_frames_of_at_most_sixteen(ask):
    with many_descriptors(40) as fds:
        asked = escalated(ask, pass_fds=fds)
        messages = [asked.receive()]
        while messages[-1].get("more"):
            messages.append(asked.receive())
        numbers = [number for message in messages for number in message["fds"]]
        assert [len(message["fds"]) for message in messages] == [16, 16, 11]
        assert numbers == sorted([0, 1, 2, *fds])
        assert len(asked.fds) == 43
        assert ["umask" in message for message in messages] == [True, False, False]


def test_a_server_that_knows_no_additions_gets_one_frame_of_sixteen(ask):
    with many_descriptors(40) as fds:
        asked = escalated(ask, pass_fds=fds, protocol=None)
        message = asked.receive()
        assert message["fds"] == sorted([0, 1, 2, *fds])[:16]
        assert len(asked.fds) == 16
        assert "more" not in message
        asked.send({"exit_code": 5})
    assert asked.end()[0] == 5


def test_more_descriptors_than_can_be_passed_on_are_refused(ask):
    with many_descriptors(250) as fds:
        status, stdout, stderr = escalated(ask, pass_fds=fds).end()
    assert (status, stdout) == (126, b"")
    assert b"more than 240 open descriptors" in stderr


@pytest.mark.parametrize("code", [0, 1, 126, 143, 255])
def test_the_reported_status_is_the_wrappers(ask, code):
    asked = escalated(ask)
    asked.receive()
    asked.send({"exit_code": code, "more": {"to": ["come"]}})
    assert asked.end() == (code, b"", b"")


def test_an_escalated_exec_that_fails_is_explained_as_the_shell_would(ask):
    asked = escalated(ask)
    asked.receive()
    asked.send({"exit_code": 126, "errno": 13})
    assert asked.end() == (126, b"", b"bash: /bin/echo: Permission denied\n")


@pytest.mark.parametrize(
    ("content", "error", "status"),
    [
        (b"\x7fELF\0", errno.ENOENT, 127),  # its loader is missing
        (b"", errno.ENOEXEC, 0),
        (b"#!/no/such/thing\n", errno.ENOENT, 126),
    ],
)
def test_an_escalated_exec_that_fails_has_the_shells_status_whatever_the_servers_is(
    ask, tmp_path, content, error, status
):
    (prog := tmp_path / "prog").write_bytes(content)
    prog.chmod(0o755)
    asked = ask(prog, "prog").answer({"action": "Escalate", "protocol": 2})
    asked.receive()
    asked.send({"exit_code": 99, "errno": error})
    assert asked.end()[:2] == (status, b"")


@pytest.mark.parametrize(
    "report", [b"{}", b'{"exit_code":"0"}', b'{"exit_code":1.5}', b"[0]", b'{"stopped":"x"}']
)
def test_a_report_that_makes_no_sense_is_a_failure(ask, report):
    asked = escalated(ask)
    asked.receive()
    asked.send(report)
    status, _, stderr = asked.end()
    assert (status, stderr.count(b"\n")) == (126, 1)


def test_a_server_that_dies_while_the_command_runs_is_a_failure(ask):
    asked = escalated(ask)
    asked.receive()
    asked.stream.close()
    assert asked.end()[0] == 126


FORWARDED = ["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP", "WINCH"]


@pytest.mark.parametrize("name", FORWARDED)
def test_a_signal_to_the_waiting_wrapper_goes_on_to_the_command(ask, name):
    number = getattr(signal, f"SIG{name}")
    asked = escalated(ask)
    asked.receive()
    asked.process.send_signal(number)
    assert asked.receive() == {"signal": number}
    asked.send({"exit_code": 128 + number})
    assert asked.end()[0] == 128 + number


def test_a_signal_from_the_terminal_goes_on_to_the_whole_group(ask):
    leader, follower = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(follower, termios.TIOCSCTTY, 0)

    asked = escalated(ask, start_new_session=True, preexec_fn=take_terminal)
    os.close(follower)
    asked.receive()
    os.write(leader, b"\x03")
    assert asked.receive() == {"signal": signal.SIGINT, "group": True}
    asked.send({"exit_code": 130})
    assert asked.end()[0] == 130
    os.close(leader)


def test_an_ignored_signal_is_not_passed_on(ask):
    asked = escalated(ask, preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
    asked.receive()
    asked.process.send_signal(signal.SIGUSR1)
    asked.process.send_signal(signal.SIGUSR2)
    assert asked.receive() == {"signal": signal.SIGUSR2}


def test_with_a_server_that_knows_no_signals_one_ends_the_wrapper(ask):
    asked = escalated(ask, protocol=None)
    asked.receive()
    asked.process.send_signal(signal.SIGTERM)
    assert asked.end()[0] == -signal.SIGTERM


@pytest.mark.parametrize("name", ["STOP", "TSTP", "TTIN"])
def test_the_wrapper_stops_when_the_command_stops_and_goes_on_with_it(ask, name):
    number = getattr(signal, f"SIG{name}")
    asked = escalated(ask, process_group=0)  # its parent is of the same session: the group is no orphan
    asked.receive()
    asked.send({"stopped": number})
    _, status = os.waitpid(asked.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert os.WSTOPSIG(status) == number
    asked.process.send_signal(signal.SIGCONT)
    assert asked.receive()["signal"] == signal.SIGCONT
    asked.send({"exit_code": 9})
    assert asked.end()[0] == 9


def test_the_python_wrapper_starts_from_its_file_and_imports_next_to_nothing():
    source = Path(wrapping.__file__).with_name("wrapper.py")
    command: list[str | Path] = [sys.executable, "-I", "-S", "-X", "importtime", source, "/bin/true", "true"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False, env={})
    imported = {
        line.rpartition(b"|")[2].strip() for line in done.stderr.splitlines() if b"import time" in line
    }
    assert done.returncode == 126
    slow = b"os socket json signal enum re typing pydantic contextlib"
    assert not imported & set(slow.split())
