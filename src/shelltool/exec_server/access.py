"""Who may connect to the server: addresses that it may listen on, the bearer token, and the HTTP around the upgrade.

A page in a browser can reach loopback, so any `Origin` is refused. Tokens are compared by digest and in constant time,
and neither they nor what was sent in their place is ever logged.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from shelltool.errors import ServerError
from shelltool.exec_server.transports.websocket import peer_name

TOKEN_BYTES = 4096
_LISTEN = re.compile(r"ws://(\[[0-9A-Fa-f:.%]+\]|[0-9.]+):([0-9]{1,5})/?")
_BEARER = re.compile(r"[Bb]earer +(\S+) *")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
PORTS = range(1 << 16)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ipaddress.ip_address(self.host).is_loopback

    def url(self, port: int) -> str:
        """Give the URL for clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{port}"


def parse_listen(url: str) -> Address | None:
    """Read `--listen`; None stands for stdio."""
    if url in {"stdio", "stdio://"}:
        return None
    if not url.startswith("ws://"):
        raise ServerError(f"unsupported --listen URL `{url}`; expected `ws://IP:PORT` or `stdio`")
    found = _LISTEN.fullmatch(url)
    try:
        address = Address(str(ipaddress.ip_address(found[1].strip("[]"))), int(found[2])) if found else None
    except ValueError:
        address = None
    if address is None or address.port not in PORTS:
        raise ServerError(f"invalid websocket --listen URL `{url}`; expected `ws://IP:PORT`")
    return address


def check_exposure(address: Address, digest: bytes | None) -> None:
    """Refuse to let other machines start processes without a token."""
    if digest is None and not address.is_loopback:
        raise ServerError(
            f"--listen {address.url(address.port)}: other machines could start processes here; listen on 127.0.0.1"
            " or name a token with --ws-token-file"
        )


def read_token(path: Path) -> bytes:
    """Give the digest of the token in a file."""
    try:
        with path.open("rb") as file:
            words = file.read(TOKEN_BYTES + 1).split()
    except OSError as error:
        raise ServerError(f"--ws-token-file {path}: {error.strerror}") from error
    # A header can carry no white space.
    if len(words) != 1 or len(words[0]) > TOKEN_BYTES:
        raise ServerError(f"--ws-token-file {path}: a token is one word of at most {TOKEN_BYTES} bytes")
    return hashlib.sha256(words[0]).digest()


def parse_digest(text: str) -> bytes:
    """Read the digest of a token."""
    if not _DIGEST.fullmatch(text):
        raise ServerError("--ws-token-sha256: 64 hexadecimal digits are needed, the SHA-256 of the token")
    return bytes.fromhex(text)


class Gate:
    """Answers what is no upgrade, or none that is allowed; the hook of the WebSocket library."""

    def __init__(self, digest: bytes | None) -> None:
        self._digest = digest

    def __call__(self, connection: ServerConnection, request: Request) -> Response | None:
        """Give the answer, or None to go on."""
        if request.headers.get_all("Origin"):
            return _answer(connection, HTTPStatus.FORBIDDEN)
        path = request.path.partition("?")[0]
        if path == "/readyz":
            return _answer(connection, HTTPStatus.OK)
        if path != "/":
            return _answer(connection, HTTPStatus.NOT_FOUND)
        if not self._is_authorized(request.headers.get_all("Authorization")):
            answer = _answer(connection, HTTPStatus.UNAUTHORIZED)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        return None

    def _is_authorized(self, given: list[str]) -> bool:
        if self._digest is None:
            return True
        found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        token = found[1].encode(errors="surrogateescape") if found else b""
        return hmac.compare_digest(hashlib.sha256(token).digest(), self._digest) and bool(token)


def _answer(connection: ServerConnection, status: HTTPStatus) -> Response:
    if status is not HTTPStatus.OK:
        log.warning("connection refused", extra={"peer": peer_name(connection), "status": int(status)})
    return connection.respond(status, "")
