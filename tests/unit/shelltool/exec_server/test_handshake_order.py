"""What may be asked when, on one connection."""

import pytest

from shelltool.exec_server.errors import ProtocolViolationError, RpcError
from shelltool.exec_server.handshake import Handshake


def refusal_of(function, *arguments):
    with pytest.raises(RpcError) as raised:
        function(*arguments)
    return raised.value.code, raised.value.message


def test_each_family_is_refused_in_its_own_words_until_the_handshake_is_over():
    handshake = Handshake()
    assert refusal_of(handshake.check_ready, "exec") == (
        -32600,
        "client must call initialize before using exec methods",
    )
    handshake.initialize_succeeded()
    assert refusal_of(handshake.check_ready, "filesystem") == (
        -32600,
        "client must send initialized before using filesystem methods",
    )
    handshake.notified("initialized")
    handshake.check_ready("exec")


def test_initialize_may_be_sent_until_it_succeeds_and_never_again():
    handshake = Handshake()
    handshake.check_may_initialize()
    handshake.check_may_initialize()
    handshake.initialize_succeeded()
    once = (-32600, "initialize may only be sent once per connection")
    assert refusal_of(handshake.check_may_initialize) == once
    handshake.notified("initialized")
    assert refusal_of(handshake.check_may_initialize) == once


def test_initialized_may_be_repeated_but_not_come_first():
    handshake = Handshake()
    with pytest.raises(ProtocolViolationError, match="initialized before initialize"):
        handshake.notified("initialized")
    handshake.initialize_succeeded()
    handshake.notified("initialized")
    handshake.notified("initialized")
    handshake.check_ready("exec")


def test_no_other_notification_is_a_clients():
    handshake = Handshake()
    handshake.initialize_succeeded()
    with pytest.raises(ProtocolViolationError, match=r"no notification `e{100}`"):
        handshake.notified("e" * 1000)
