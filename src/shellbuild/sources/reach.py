"""Whether a server can be found and connected to at all, told within a deadline.

Name resolution can hang for half a minute and no library lets one bound it; a build that has another source in
reserve should not wait that long.
"""

import socket
import threading
from urllib.parse import urlsplit

import requests.utils

from shellbuild.errors import SourceError

DEFAULT_PORTS = {"https": 443, "http": 80}
SOCKS_PORT = 1080


def require_answer(url: str, *, deadline_s: float) -> None:
    """Connect to the server of a URL, or to the proxy on the way, and hang up; raise SourceError if that fails."""
    try:
        host, port = _first_hop(url)
    except ValueError as error:
        raise SourceError(f"{url}: {error}") from error
    outcome: list[Exception | None] = []
    # A daemon: the resolver can't be interrupted, and must not keep the process alive either.
    knock = threading.Thread(target=_knock, args=(host, port, deadline_s, outcome), daemon=True)
    knock.start()
    knock.join(deadline_s)
    if not outcome:
        raise SourceError(f"{host} does not answer within {deadline_s:g} s")
    if outcome[0] is not None:
        raise SourceError(f"{host} can't be reached: {getattr(outcome[0], 'strerror', None) or outcome[0]}")


def _first_hop(url: str) -> tuple[str, int]:
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    hop = url if proxy is None else proxy if "://" in proxy else f"http://{proxy}"
    parts = urlsplit(hop)
    if not parts.hostname:
        raise ValueError("names no host")
    return parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme, SOCKS_PORT)


def _knock(host: str, port: int, timeout_s: float, outcome: list[Exception | None]) -> None:
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except (OSError, UnicodeError) as error:
        outcome.append(error)
    else:
        outcome.append(None)
