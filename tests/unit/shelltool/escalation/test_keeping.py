"""The server's side of a keeper: what holds where descriptors are many, few or can't be sent."""

import errno
import os
import select
import signal
import socket
from contextlib import ExitStack

import pytest

from shelltool.descriptor_limit import original_limits
from shelltool.errors import LaunchError
from shelltool.escalation.keeping import Keeper
from shelltool.escalation.native import python_keeper
from shelltool.escalation.spare import SpareKeeper
from shelltool.escalation.spawning import Inherited, Spawn, Strings, Variables

SELECT_LIMIT = 1024
DEADLINE_MS = 10_000


@pytest.fixture
def many_descriptors():
    """Have all numbers taken that select(2) could be told."""
    original_limits()
    with ExitStack() as held:
        while (fd := os.open(os.devnull, os.O_RDONLY)) < SELECT_LIMIT:
            held.callback(os.close, fd)
        os.close(fd)
        yield


@pytest.fixture
def keeper():
    keeper = Keeper(python_keeper())
    yield keeper
    if keeper.socket.fileno() >= 0:
        keeper.finish()


def ready(keeper):
    poll = select.poll()
    poll.register(keeper.socket, select.POLLIN)
    assert poll.poll(DEADLINE_MS)
    assert keeper.receive()


def is_reaped(keeper):
    with pytest.raises(ChildProcessError):
        os.waitpid(keeper._guard_pid, os.WNOHANG)
    return keeper.socket.fileno() < 0


def test_a_keeper_whose_socket_has_a_high_number_is_ended_and_reaped(many_descriptors, keeper):
    assert keeper.socket.fileno() >= SELECT_LIMIT
    keeper.finish()
    assert is_reaped(keeper)


def test_one_that_does_not_read_is_given_up_whatever_the_number(many_descriptors, keeper, monkeypatch):
    monkeypatch.setattr("shelltool.escalation.keeping.SEND_LIMIT_S", 0.01)
    ready(keeper)
    os.killpg(keeper._guard_pid, signal.SIGSTOP)
    keeper.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for _ in range(1000):
        keeper.signal(1, signal.SIGTERM, group=False)
    keeper.finish()
    assert is_reaped(keeper)


def test_a_spawn_that_can_not_be_sent_is_no_secret(keeper):
    closed = os.open(os.devnull, os.O_RDONLY)
    os.close(closed)
    spawn = Spawn(
        strings=Strings("/bin/true", ["true"], Variables({})),
        workdir_fd=closed,
        descriptors={},
        inherited=Inherited(),
    )
    with pytest.raises(LaunchError, match="its descriptors can't be sent"):
        keeper.spawn(1, spawn)
    ready(keeper)  # it lives: the others' commands go on


def test_a_message_to_a_keeper_that_is_gone_is_let_go(keeper):
    keeper.finish()
    keeper.socket, gone = socket.socketpair()
    with keeper.socket:
        gone.close()
        keeper.signal(1, signal.SIGTERM, group=False)


def test_where_descriptors_have_run_out_a_keeper_fails_to_start_and_a_spare_one_waits(monkeypatch):
    def none_left(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "socketpair", none_left)
    SpareKeeper(python_keeper()).refill()
    with pytest.raises(LaunchError, match=r"does not start: .*Too many open files"):
        Keeper(python_keeper())
