"""The server: its parts put together, served on stdin and stdout until the client leaves or a signal comes.

Ends in order whichever it is: calls are cancelled, which ends every process that they started, and what can still be
said is written.
"""

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import uvloop
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError

import shelltool
from shelltool.execpolicy.layers import SYSTEM_RULES, codex_home
from shelltool.mcp_server.call import Programs, ShellTool
from shelltool.mcp_server.confinement import Confinement
from shelltool.mcp_server.session import INLINE_METHODS, LOG_LEVELS, SERVER_NAME, Session
from shelltool.mcp_server.transport import Streams, guarded_standard_streams, stdio_streams
from shelltool.rules.in_force import RulesInForce

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
UNSENT_LINES = 100
"""Kept for a client that has not introduced itself yet."""

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter from others: each call's thread takes turns with the event loop, and with
Python's default of 5 ms they wait for each other (3 % of a call)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line and the environment say."""

    programs: Programs
    shell_name: str
    version: str
    preserve_program_paths: bool = False


class Reporter:
    """Says what happens besides calls: on stderr, and to the client as log messages."""

    def __init__(self) -> None:
        self._unsent: deque[tuple[str, str]] = deque(maxlen=UNSENT_LINES)
        self._sending: set[asyncio.Task[None]] = set()
        self._client: tuple[JSONRPCDispatcher[Any], Session] | None = None

    def connect(self, dispatcher: JSONRPCDispatcher[Any], session: Session) -> None:
        """Take whom to send to."""
        self._client = (dispatcher, session)

    def note(self, line: str) -> None:
        """Say something that is as it should be."""
        self._say("info", line)

    def warn(self, line: str) -> None:
        """Say something that a person should look at."""
        self._say("warning", line)

    def flush(self) -> None:
        """Send what has come up before the client was there."""
        while self._unsent:
            self._send(*self._unsent.popleft())

    def _say(self, level: str, line: str) -> None:
        sys.stderr.write(f"{SERVER_NAME}: {line}\n")
        sys.stderr.flush()
        if self._client and self._client[1].is_ready:
            self._send(level, line)
        else:
            self._unsent.append((level, line))

    def _send(self, level: str, line: str) -> None:
        if self._client is None:
            return
        dispatcher, session = self._client
        if LOG_LEVELS.index(level) < LOG_LEVELS.index(session.log_level):
            return
        params = {"level": level, "logger": SERVER_NAME, "data": line}
        task = asyncio.ensure_future(dispatcher.notify("notifications/message", params))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


def serve(settings: Settings, environment: Mapping[str, str] = os.environ) -> int:
    """Serve until the client leaves; the exit status is 128+n after signal n."""
    sys.setswitchinterval(SWITCH_S)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format=f"{SERVER_NAME}: %(message)s")
    with guarded_standard_streams() as (source, sink):
        # A copy, for every look into os.environ itself decodes what it finds.
        return uvloop.run(_serve(settings, dict(environment), source, sink))


async def _serve(settings: Settings, environment: Mapping[str, str], source: int, sink: int) -> int:
    caught: list[int] = []
    with anyio.CancelScope() as scope:
        loop = asyncio.get_running_loop()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, _end, scope, caught, number)
        async with stdio_streams(source, sink) as streams:
            await _converse(settings, environment, streams)
    return 128 + caught[0] if caught else 0


def _end(scope: anyio.CancelScope, caught: list[int], number: int) -> None:
    caught.append(number)
    scope.cancel()


async def _converse(settings: Settings, environment: Mapping[str, str], streams: Streams) -> None:
    incoming, outgoing = streams
    reporter = Reporter()
    rules = RulesInForce(report=reporter.warn, environment=environment)
    confinement = Confinement(
        environment=environment, shielded=_shielded(settings.programs, environment), report=reporter.note
    )
    shell_tool = ShellTool(
        programs=settings.programs,
        rules=rules,
        confinement=confinement,
        environment=environment,
        preserve_program_paths=settings.preserve_program_paths,
    )
    session = Session(
        shell_tool, shell_name=settings.shell_name, version=settings.version, on_ready=reporter.flush
    )

    async def refuse(malformed: Exception) -> None:
        error = ErrorData(code=PARSE_ERROR, message=str(malformed))
        await outgoing.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=None, error=error)))

    dispatcher = JSONRPCDispatcher[Any](
        incoming, outgoing, inline_methods=INLINE_METHODS, on_stream_exception=refuse
    )
    reporter.connect(dispatcher, session)
    confinement.begin()
    # So that the first call need not wait for it; a failure comes up again there.
    warming = asyncio.ensure_future(rules.for_workdir(None))
    try:
        await dispatcher.run(session.on_request, session.on_notify)
    finally:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)


def _shielded(programs: Programs, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """List what the server runs or obeys outside the sandbox, which no sandboxed command may write."""
    home = codex_home(environment)
    python = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(shelltool.__file__).parent,
        Path(programs.keeper.path),
    }
    return (
        programs.shell,
        programs.wrapper,
        *python,
        SYSTEM_RULES.parent,
        *([home.absolute()] if home else []),
    )
