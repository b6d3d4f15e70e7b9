"""Servers under test: in this process over memory or lines, as a program over stdio or WebSocket.

A start of the program takes longer than most tests, so tests that change nothing about it share one (`SharedServers`).
"""

import asyncio
import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from integration.exec_server.installation import Installation
from integration.exec_server.wire import Wire
from shelltool.exec_server.channel import Channel
from shelltool.exec_server.client.connectors import Connector, program_connector, websocket_connector
from shelltool.exec_server.processes.supervising import python_supervisor
from shelltool.exec_server.server import ExecServer, ServerSettings
from shelltool.exec_server.transports.lines import LineChannel
from shelltool.exec_server.transports.memory import MemoryChannel

START_S = 20.0
END_S = 20.0
ANSWER_BYTES = 1 << 30
OPTIONS = {
    "session_ttl_s": "--session-ttl",
    "retention_s": "--process-retention",
    "retained_bytes": "--retained-output",
    "requests_at_once": "--max-requests",
}


class Served:
    """A server that runs, and how to connect to it."""

    def __init__(
        self,
        connector: Connector,
        stop: Callable[[], Any],
        pid: int = 0,
        url: str = "",
        server: ExecServer | None = None,
    ) -> None:
        self.connector = connector
        self.stop = stop
        self.pid = pid
        self.url = url
        self.server = server
        """Where it is in this process."""

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


Joined = tuple[Channel, Callable[[ExecServer], Coroutine[Any, Any, None]]]
"""A client's end of a connection, and what serves the other one."""


@asynccontextmanager
async def _in_this_process(
    installation: Installation, join: Callable[[], Joined], settings: dict[str, Any]
) -> AsyncIterator[Served]:
    serving: set[asyncio.Task[None]] = set()
    made = replace(ServerSettings(), **{"supervisor": installation.supervisor, **settings})
    async with ExecServer(made) as server:

        async def connect() -> Channel:
            channel, serve = join()
            serving.add(asyncio.create_task(serve(server)))
            return channel

        yield Served(Connector(connect, can_return=True), server.close, server=server)
    await asyncio.gather(*serving)


def in_memory(installation: Installation, **settings: Any) -> AbstractAsyncContextManager[Served]:
    """Serve in this process."""

    def join() -> Joined:
        ours, theirs = MemoryChannel.pair()
        return ours, lambda server: server.serve_channel(theirs)

    return _in_this_process(installation, join, settings)


def over_lines(installation: Installation, **settings: Any) -> AbstractAsyncContextManager[Served]:
    """Serve in this process on two pipes, as on stdio."""

    def join() -> Joined:
        (source, our_sink), (our_source, sink) = os.pipe(), os.pipe()
        channel = LineChannel(our_source, our_sink, name="server", line_bytes=ANSWER_BYTES)
        return channel, lambda server: server.serve_lines(source, sink)

    return _in_this_process(installation, join, settings)


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


class SharedServers:
    """Programs that listen for as long as the tests of a process take: one for each set of settings."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._children: dict[str, tuple[subprocess.Popen[bytes], str]] = {}

    @asynccontextmanager
    async def join(self, **settings: Any) -> AsyncIterator[Served]:
        """Give the one with these settings."""
        options = _options(settings)
        key = " ".join(options)
        if key not in self._children:
            self._children[key] = self._start(options)
        child, url = self._children[key]
        assert child.poll() is None, "a test before this one ended the server"
        yield Served(websocket_connector(url), lambda: None, child.pid, url)

    def close(self) -> None:
        """End them."""
        for child, _ in self._children.values():
            child.terminate()
            child.wait(END_S)
            assert child.stdout is not None
            child.stdout.close()

    def _start(self, options: list[str]) -> tuple[subprocess.Popen[bytes], str]:
        command = self._installation.command("--log-level", "error", *options)
        child = subprocess.Popen(command, stdout=subprocess.PIPE, env=self._installation.environment())
        assert child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            assert selector.select(START_S), "the server did not start"
        return child, child.stdout.readline().decode().strip()


TRANSPORTS = {"memory": in_memory, "stdio": over_stdio, "websocket": over_websocket}
SERVERS = {
    "memory": in_memory,
    "lines": over_lines,
    "websocket": over_websocket,
    "python": with_python_supervisor,
}
