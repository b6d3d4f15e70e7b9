"""The other side: a client that comes back by itself, and an `Environment` on top of it.

    async with ExecServerClient(websocket_connector("ws://127.0.0.1:9000")) as client:
        environment = RemoteEnvironment(client)
        await environment.processes.start(StartProcess(process_id="1", argv=["make"], cwd="/work", env={}, tty=False))
        async for event in environment.processes.events("1"):
            ...

A connection that is lost is made again and the session resumed; requests that can be repeated are, others fail with
`TransportError`. When that does not succeed in time, every process fails: its last event is a `ProcessFailed`.
"""

from shelltool.exec_server.client.client import ExecServerClient
from shelltool.exec_server.client.connectors import Connector, program_connector, websocket_connector
from shelltool.exec_server.client.recovery import TransportError
from shelltool.exec_server.client.remote_environment import RemoteEnvironment

__all__ = [
    "Connector",
    "ExecServerClient",
    "RemoteEnvironment",
    "TransportError",
    "program_connector",
    "websocket_connector",
]
