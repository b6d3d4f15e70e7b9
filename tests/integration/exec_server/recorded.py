"""The recorded list: what both servers are asked, in this order, each in a folder of its own with the same content."""

from collections.abc import Iterator

from integration.exec_server import recorded_files, recorded_processes, recorded_sandboxes
from integration.exec_server.recording import Ask, Step, Web


def steps() -> Iterator[Step]:
    """Give the list."""
    yield from _protocol()
    yield from recorded_processes.steps()
    yield Ask("info", "environment/info", {}, newer=True)
    yield from recorded_files.steps()
    yield from recorded_sandboxes.steps()
    yield from _requests()


def _protocol() -> Iterator[Step]:
    yield Ask("unknown method", "nope/x", {})
    yield Ask("initialize again", "initialize", {"clientName": "again"})
    yield Ask("initialize without a name", "initialize", {})
    yield Ask("name of another type", "initialize", {"clientName": 5})
    yield Ask("unknown members", "process/terminate", {"processId": "nobody", "other": [1]})
    for method in (
        "process/start",
        "process/read",
        "process/write",
        "process/terminate",
        "fs/readFile",
        "fs/writeFile",
    ):
        yield Ask(f"{method} with nothing", method, {})
        yield Ask(f"{method} with a number", method, {"processId": 5, "path": 5})
    for method in ("process/signal", "fs/canonicalize", "fs/walk", "fs/open", "fs/readBlock", "fs/close"):
        yield Ask(f"{method} with nothing", method, {}, newer=True)
    for method in (
        "fs/copy",
        "fs/remove",
        "fs/createDirectory",
        "fs/getMetadata",
        "fs/readDirectory",
        "http/request",
    ):
        yield Ask(f"{method} with nothing", method, {})
    yield Ask("status", "environment/status", {}, newer=True)


def _requests() -> Iterator[Step]:
    """Of the web server that plays along (`Web`)."""
    yield Ask("http: gzip", "http/request", {"method": "GET", "url": Web("/gzip"), "requestId": "1"})
    yield Ask("http: plain", "http/request", {"method": "GET", "url": Web("/"), "requestId": "2"})
    yield Ask("http: not found", "http/request", {"method": "GET", "url": Web("/cookie"), "requestId": "3"})
    yield Ask("http: away", "http/request", {"method": "GET", "url": Web("/away"), "requestId": "4"})
    yield Ask("http: loop", "http/request", {"method": "GET", "url": Web("/loop"), "requestId": "5"})
    yield Ask("http: scheme", "http/request", {"method": "GET", "url": "ftp://host/", "requestId": "6"})
    yield Ask("http: method", "http/request", {"method": "GE T", "url": Web("/"), "requestId": "7"})
    header = {"name": "X-Env", "value": "", "valueEnvVar": "RECORDED_NO_SUCH_VARIABLE"}
    yield Ask(
        "http: no variable",
        "http/request",
        {"method": "GET", "url": Web("/"), "requestId": "8", "headers": [header]},
        newer=True,
    )
