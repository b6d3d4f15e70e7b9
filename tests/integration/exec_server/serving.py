"""Servers under test: in this process over memory, as a program over stdio, as a program over WebSocket."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from integration.exec_server.installation import Installation
from integration.exec_server.wire import Wire
from shelltool.exec_server.client.connectors import Connector, program_connector, websocket_connector
from shelltool.exec_server.processes.supervising import python_supervisor
from shelltool.exec_server.server import ExecServer, ServerSettings
from shelltool.exec_server.transports.memory import MemoryChannel

START_S = 20.0
END_S = 20.0
OPTIONS = {
    "session_ttl_s": "--session-ttl",
    "retention_s": "--process-retention",
    "retained_bytes": "--retained-output",
}


class Served:
    """A server that runs, and how to connect to it."""

    def __init__(self, connector: Connector, stop: Callable[[], Any], pid: int = 0, url: str = "") -> None:
        self.connector = connector
        self.stop = stop
        self.pid = pid
        self.url = url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Wire]:
        """Connect, without a handshake."""
        wire = Wire(await self.connector.connect())
        try:
            yield wire
        finally:
            await wire.close()

    @asynccontextmanager
    async def session(self, **params: Any) -> AsyncIterator[Wire]:
        """Connect and open a session."""
        async with self.connection() as wire:
            await wire.open(**params)
            yield wire


@asynccontextmanager
async def in_memory(installation: Installation, **settings: Any) -> AsyncIterator[Served]:
    """Serve in this process."""
    serving: set[asyncio.Task[None]] = set()
    made = replace(ServerSettings(), **{"supervisor": installation.supervisor, **settings})
    async with ExecServer(made) as server:

        async def connect() -> MemoryChannel:
            ours, theirs = MemoryChannel.pair()
            serving.add(asyncio.create_task(server.serve_channel(theirs)))
            return ours

        yield Served(Connector(connect, can_return=True), server.close)
    await asyncio.gather(*serving)


@asynccontextmanager
async def over_stdio(installation: Installation, **settings: Any) -> AsyncIterator[Served]:
    """Have each connection start a server of its own."""
    options = ["--listen", "stdio", "--log-level", "error", *_options(settings)]
    connector = program_connector(installation.command(*options), env=installation.environment())
    yield Served(replace(connector, can_return=False), lambda: None)


@asynccontextmanager
async def over_websocket(
    installation: Installation, *options: str, token: str | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Start a server that listens."""
    command = installation.command("--log-level", "error", *_options(settings), *options)
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=installation.environment()
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            url = (await child.stdout.readline()).decode().strip()
        assert url.startswith("ws://"), "the server did not start"
        yield Served(websocket_connector(url, token=token), child.kill, child.pid, url)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        async with asyncio.timeout(END_S):
            await child.wait()


def _options(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in (OPTIONS[name], str(value))]


@asynccontextmanager
async def with_python_supervisor(installation: Installation, **settings: Any) -> AsyncIterator[Served]:
    """Serve in this process, as on machines without the compiled supervisor."""
    async with in_memory(installation, supervisor=python_supervisor(), **settings) as served:
        yield served


TRANSPORTS = {"memory": in_memory, "stdio": over_stdio, "websocket": over_websocket}
SERVERS = {**TRANSPORTS, "python": with_python_supervisor}
