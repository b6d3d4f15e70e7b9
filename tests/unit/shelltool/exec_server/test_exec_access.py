"""Where the server may listen and what a token has to be."""

import hashlib

import pytest

from shelltool.errors import ServerError
from shelltool.exec_server.access import Address, Gate, check_exposure, parse_digest, parse_listen, read_token


def test_listen_names_an_address_or_stdio():
    assert parse_listen("ws://127.0.0.1:0") == Address("127.0.0.1", 0)
    assert parse_listen("ws://[::1]:80/") == Address("::1", 80)
    assert parse_listen("stdio") is parse_listen("stdio://") is None
    assert Address("::1", 0).url(5) == "ws://[::1]:5"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("tcp://x", "unsupported --listen URL `tcp://x`; expected `ws://IP:PORT` or `stdio`"),
        ("ws://localhost:0", "invalid websocket --listen URL `ws://localhost:0`; expected `ws://IP:PORT`"),
        ("ws://127.0.0.1:70000", "invalid websocket"),
        ("ws://127.0.0.1", "invalid websocket"),
        ("ws://1.2.3:1", "invalid websocket"),
        ("", "unsupported"),
    ],
)
def test_what_is_no_address_is_refused(url, problem):
    with pytest.raises(ServerError) as raised:
        parse_listen(url)
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1"])  # noqa: S104 - refused
def test_other_machines_need_a_token(host):
    with pytest.raises(ServerError, match="--ws-token-file"):
        check_exposure(Address(host, 1), None)
    check_exposure(Address(host, 1), b"digest")


def test_loopback_needs_none():
    check_exposure(Address("127.0.0.1", 1), None)
    check_exposure(Address("::1", 1), None)


def test_a_token_is_read_without_what_is_around_it(tmp_path):
    (tmp_path / "token").write_bytes(b" secret\n")
    digest = hashlib.sha256(b"secret")
    assert read_token(tmp_path / "token") == digest.digest() == parse_digest(digest.hexdigest())


@pytest.mark.parametrize("content", [b"", b" \n", b"x" * 5000, b"two words"])
def test_a_file_without_a_token_is_refused(content, tmp_path):
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ServerError, match="a token is one word"):
        read_token(tmp_path / "token")
    with pytest.raises(ServerError, match="No such file"):
        read_token(tmp_path / "nothing")
    with pytest.raises(ServerError, match="64 hexadecimal digits"):
        parse_digest("ab")


def test_tokens_are_compared_by_what_takes_the_same_time_for_all(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    digest = hashlib.sha256(b"right").digest()
    for given in ("right", "wrong"):
        assert not Gate(digest)._is_authorized([f"Bearer {given}"])
    assert compared == [(digest, digest), (hashlib.sha256(b"wrong").digest(), digest)]


@pytest.mark.parametrize(
    "given",
    [[], ["right"], ["Basic right"], ["Bearer"], ["Bearer right x"], ["Bearer right"] * 2, ["Bearer  "]],
)
def test_what_is_not_just_the_token_is_refused(given):
    assert not Gate(hashlib.sha256(b"right").digest())._is_authorized(given)
    assert not Gate(hashlib.sha256(b"").digest())._is_authorized(given)
    assert Gate(hashlib.sha256(b"right").digest())._is_authorized(["bearer  right "])
