"""An `Environment` on another machine: everything is asked of the server behind a client."""

from pydantic import ValidationError

from shelltool.exec_server.client.client import ExecServerClient
from shelltool.exec_server.client.remote_files import RemoteFiles
from shelltool.exec_server.client.remote_processes import RemoteProcesses
from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.environment_messages import EnvironmentInfo, EnvironmentStatus
from shelltool.exec_server.http_messages import HttpRequest, HttpResponse
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.table import NOTIFICATIONS


class RemoteHttp:
    """Requests that the server sends."""

    def __init__(self, client: ExecServerClient) -> None:
        self._client = client

    async def request(self, params: HttpRequest) -> HttpResponse:
        """`http/request`."""
        return await self._client.call("http/request", params, HttpResponse)

    async def close(self) -> None:
        """Leave streams to the server, which ends them with the connection."""


class RemoteEnvironment:
    """The environment of a client's server. Closing it leaves the client, and with it the session, open."""

    def __init__(self, client: ExecServerClient, notify: Notify | None = None) -> None:
        """`notify` gets notifications that are not about processes."""
        self._client = client
        self._notify = notify
        self.processes = RemoteProcesses(client)
        self.files = RemoteFiles(client)
        self.http = RemoteHttp(client)
        client.listeners.append(self._hear)

    async def info(self, params: Nothing) -> EnvironmentInfo:
        """`environment/info`."""
        return await self._client.call("environment/info", params, EnvironmentInfo)

    async def status(self, params: Nothing) -> EnvironmentStatus:
        """`environment/status`."""
        return await self._client.call("environment/status", params, EnvironmentStatus)

    async def close(self) -> None:
        """End the processes; handles and streams end with the connection."""
        await self.processes.close()

    async def _hear(self, method: str, params: object) -> None:
        row = NOTIFICATIONS.get(method)
        if self._notify is None or row is None or method.startswith("process/"):
            return
        try:
            message = row.params.model_validate(params)
        except ValidationError:
            return
        await self._notify(method, message)
