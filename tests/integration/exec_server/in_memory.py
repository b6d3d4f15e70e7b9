"""A client and a server in one process, over a channel in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shelltool.exec_server.channel import Channel
from shelltool.exec_server.client.client import ExecServerClient
from shelltool.exec_server.client.connectors import Connector
from shelltool.exec_server.client.remote_environment import RemoteEnvironment
from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.local_environment import LocalMachine
from shelltool.exec_server.server import ExecServer
from shelltool.exec_server.transports.memory import MemoryChannel


@asynccontextmanager
async def remote_environment(machine: LocalMachine, notify: Notify) -> AsyncIterator[RemoteEnvironment]:
    """Give the environment of a server on `machine`, which it closes at the end."""
    near, far = MemoryChannel.pair()

    async def connect() -> Channel:
        return near

    async with ExecServer() as server:
        await server._machine.close()
        server._machine = machine
        serving = asyncio.create_task(server.serve_channel(far))
        async with ExecServerClient(Connector(connect, can_return=False)) as client:
            yield RemoteEnvironment(client, notify)
        await serving
