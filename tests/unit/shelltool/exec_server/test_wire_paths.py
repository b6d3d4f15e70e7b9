"""Path fields: native paths and URIs in, native out, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.exec_server.messages import Message
from shelltool.exec_server.paths import WirePath, parse_path, path_to_uri


class Holder(Message):
    path: WirePath


@pytest.mark.parametrize(
    ("given_path", "native"),
    [
        ("/", "/"),
        ("/a/../b", "/a/../b"),
        ("/a b#c?%20", "/a b#c?%20"),
        ("file:///", "/"),
        ("file:///a/b", "/a/b"),
        ("file:/a/b", "/a/b"),
        ("FILE:///a", "/a"),
        ("file://localhost/a", "/a"),
        ("file://LOCALHOST/a", "/a"),
        ("file:///a%20b%23%3F%25", "/a b#?%"),
        ("file:///a/./b/../c", "/a/c"),
        ("file:///..", "/"),
        ("file:///a/", "/a/"),
        ("file:///%FF", "/\udcff"),
        ("file:///ü", "/ü"),
    ],
)
def test_a_path_is_read(given_path, native):
    assert parse_path(given_path) == native


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("", "relative URL without a base"),
        ("a/b", "relative URL without a base"),
        ("~/x", "relative URL without a base"),
        ("http://x/a", "unsupported path URI scheme `http`"),
        ("file:///a?b", "query parameters"),
        ("file:///a#b", "fragments"),
        ("file:///a%00b", "is invalid on"),
        ("file:///a%zzb", "is invalid on"),
        ("file://other/a", "'file://other/a' is invalid on"),
        ("/a\0b", "NUL"),
        ("/\ud800", "not Unicode"),
        ("/" + "x" * 70_000, "longer than"),
        (5, "expected a string"),
    ],
)
def test_what_is_no_path_is_refused(bad, problem):
    with pytest.raises(ValueError, match=problem):
        parse_path(bad)


@given(st.binary().filter(lambda data: b"\0" not in data))
def test_every_name_survives_as_a_uri(name):
    path = "/x/" + name.decode("utf-8", "surrogateescape").replace("/", "_").replace(".", "_") + "y"
    assert parse_path(path_to_uri(path)) == path


def test_a_message_writes_uris_and_for_the_oldest_servers_paths():
    message = Holder(path="/a b")
    assert message.model_dump() == {"path": "file:///a%20b"}
    assert message.model_dump(context={"native_paths": True}) == {"path": "/a b"}
