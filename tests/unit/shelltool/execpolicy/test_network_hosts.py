import pytest

from shelltool.execpolicy.hosts import parse_host
from shelltool.execpolicy.invalid import StatementError


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (" A.example. ", "a.example"),
        ("host:443", "host"),
        ("host.:443", "host"),
        ("[FE80::1]", "fe80::1"),
        ("[::1]:80", "::1"),
        ("::1", "::1"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("x:abc", "x:abc"),
        ("a:b:c", "a:b:c"),
        ("x:", "x:"),
    ],
)
def test_a_host_is_kept_in_one_form(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be empty"),
        (" . ", "cannot be empty"),
        (":80", "cannot be empty"),
        ("*", "wildcards"),
        ("a.*", "wildcards"),
        ("a b", "whitespace"),
        ("http://a", "without scheme or path"),
        ("[]", "invalid bracketed IPv6 literal"),
        ("[::1", "invalid bracketed IPv6 literal"),
        ("[::1]x", "unsupported suffix: x"),
        ("[::1]:x", "unsupported suffix: :x"),
    ],
)
def test_what_is_no_host_is_refused(text, why):
    with pytest.raises(StatementError, match=why):
        parse_host(text)
