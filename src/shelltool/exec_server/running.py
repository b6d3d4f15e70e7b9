"""Running a server as a program: what the options mean, its signals, its log, and its one line on stdout."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

import shelltool
from shelltool.errors import ServerError
from shelltool.exec_server.access import Address, check_exposure, parse_digest, parse_listen, read_token
from shelltool.exec_server.processes.launching import Launcher
from shelltool.exec_server.server import ExecServer, ServerSettings
from shelltool.exec_server.transports.lines import guarded_standard_streams
from shelltool.exec_server.transports.websocket import Limits
from shelltool.execpolicy.layers import SYSTEM_RULES, codex_home
from shelltool.shells import vendor_roots
from shelltool.standard_streams import require_open

if TYPE_CHECKING:
    from shelltool.exec_server.processes.interception import Interceptor

STDIN_BYTES = 4096
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Options(BaseModel):
    """The command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str
    ws_auth: str | None = None
    ws_token_file: Path | None = None
    ws_token_sha256: str | None = None
    ttl_s: float = Field(ge=0)
    retention_s: float = Field(ge=0)
    retained: int = Field(ge=0)
    frame: int = Field(ge=1024)
    message: int = Field(ge=1024)
    requests: int = Field(ge=1)
    ping_s: float = Field(gt=0)
    exit_on_stdin_close: bool = False
    shell_escalation: bool = False
    log_level: str = "info"

    def token_digest(self) -> bytes | None:
        """Give the digest of the token that clients need, if they need one."""
        # An empty value, as of a shell variable that is not set, is a bad token and not none.
        if self.ws_token_file is not None and self.ws_token_sha256 is not None:
            raise ServerError("--ws-token-file and --ws-token-sha256 name two tokens: leave one out")
        if self.ws_token_file is not None:
            return read_token(self.ws_token_file)
        if self.ws_token_sha256 is not None:
            return parse_digest(self.ws_token_sha256)
        if self.ws_auth:
            raise ServerError(
                f"--ws-auth {self.ws_auth}: name the token with --ws-token-file or --ws-token-sha256"
            )
        return None

    def settings(self) -> ServerSettings:
        """Give what the server is made with."""
        return ServerSettings(
            limits=Limits(
                frame_bytes=self.frame, message_bytes=max(self.frame, self.message), ping_s=self.ping_s
            ),
            requests_at_once=self.requests,
            session_ttl_s=self.ttl_s,
            retention_s=self.retention_s,
            retained_bytes=self.retained,
            token_digest=self.token_digest(),
            launcher=Launcher(shielded=_shielded()),
            interceptor=_interceptor() if self.shell_escalation else None,
        )


def _shielded() -> tuple[str, ...]:
    """List what the server runs or obeys outside of sandboxes, which nothing in one may write."""
    home = codex_home(os.environ)
    places = {Path(sys.prefix), Path(sys.base_prefix), Path(shelltool.__file__).parent, SYSTEM_RULES.parent}
    places |= {root for root in vendor_roots() if root.is_dir()} | ({home.absolute()} if home else set())
    return tuple(sorted(map(str, places)))


def _interceptor() -> "Interceptor":
    from shelltool.exec_server.escalation_setup import make_interceptor  # most servers never use it

    return make_interceptor(logging.getLogger("shelltool.rules").warning)


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how bad, what, and the fields that came along."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def run(options: Options) -> int:
    """Serve until a signal, or the end of stdin, says that it is over."""
    address = parse_listen(options.listen)
    require_open("stdout", *(["stdin"] if address is None or options.exit_on_stdin_close else []))
    settings = options.settings()
    if address:
        check_exposure(address, settings.token_digest)
    _log_to_stderr(options.log_level)
    if address is None:
        with guarded_standard_streams() as (source, sink):
            asyncio.run(_serve_stdio(settings, source, sink))
    else:
        asyncio.run(_serve_websocket(settings, address, stdin_counts=options.exit_on_stdin_close))
    return 0


async def _serve_stdio(settings: ServerSettings, source: int, sink: int) -> None:
    stop = _stop_signals()
    async with ExecServer(settings) as server:
        serving = asyncio.create_task(server.serve_lines(source, sink))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(serving, stopped)


async def _serve_websocket(settings: ServerSettings, address: Address, *, stdin_counts: bool) -> None:
    stop = _stop_signals()  # whoever has read the line may send one
    async with ExecServer(settings) as server, server.listening(address) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        ends: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait())]
        if stdin_counts:
            ends.append(asyncio.create_task(_end_of_stdin()))
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await _cancel(*ends)
        # Before connections are closed, which takes its time: clients may not answer.
        await server.close()


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _stop_signals() -> asyncio.Event:
    """Give what is set when a signal says that it is over; from now on."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def _end_of_stdin() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(0, STDIN_BYTES):
                loop.remove_reader(0)
                ended.set()

    os.set_blocking(0, False)
    loop.add_reader(0, look)
    await ended.wait()


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger("shelltool")
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False
