"""Hosts and protocols of `network_rule`: which spellings are taken, and the one form they are kept in."""

from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.invalid import StatementError

_PROTOCOLS = {
    "http": "http",
    "https": "https",
    "https_connect": "https",
    "http-connect": "https",
    "socks5_tcp": "socks5_tcp",
    "socks5_udp": "socks5_udp",
}


def parse_protocol(word: str) -> str:
    """Return the protocol's own name for any accepted spelling of it."""
    protocol = _PROTOCOLS.get(word)
    if protocol is None:
        raise StatementError(
            "invalid rule: network_rule protocol must be one of http, https, socks5_tcp, socks5_udp "
            f"(got {word})"
        )
    return protocol


def parse_network_decision(word: str) -> Decision:
    """Read a decision; `deny` is another word for `forbidden` here, and only here."""
    return Decision.FORBIDDEN if word == "deny" else Decision.parse(word)


def parse_host(text: str) -> str:
    """Return a host name or address literal without port, brackets, trailing dots and capitals."""
    host = text.strip()
    if not host:
        raise _refused("cannot be empty")
    if any(character in host for character in "/?#"):
        raise _refused("must be a hostname or IP literal (without scheme or path)")
    host = _without_port(host).rstrip(".").lower()
    if not host:
        raise _refused("cannot be empty")
    if "*" in host:
        raise _refused("must be a specific host; wildcards are not allowed")
    if any(character.isspace() for character in host):
        raise _refused("cannot contain whitespace")
    return host


def _without_port(host: str) -> str:
    if host.startswith("["):
        return _unbracketed(host)
    name, colon, port = host.partition(":")
    return name if colon and port.isascii() and port.isdigit() else host


def _unbracketed(host: str) -> str:
    literal, bracket, suffix = host[1:].partition("]")
    if not bracket or not literal:
        raise _refused("has an invalid bracketed IPv6 literal")
    port = suffix[1:]
    if suffix and not (suffix.startswith(":") and port.isascii() and port.isdigit()):
        raise _refused(f"contains an unsupported suffix: {suffix}")
    return literal


def _refused(why: str) -> StatementError:
    return StatementError(f"invalid rule: network_rule host {why}")
