"""The environment of this machine. What a server shares among its connections is made once, as `LocalMachine`."""

import asyncio
import contextlib
import hashlib
import os
import pwd
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.environment_messages import (
    Capabilities,
    EnvironmentInfo,
    EnvironmentStatus,
    Shell,
)
from shelltool.exec_server.files.api import FileService
from shelltool.exec_server.files.service import LocalFiles
from shelltool.exec_server.files.workers import FileWorkers
from shelltool.exec_server.http_messages import HttpService
from shelltool.exec_server.http_requests import LocalHttp
from shelltool.exec_server.http_sending import HttpSender
from shelltool.exec_server.messages import Nothing
from shelltool.exec_server.paths import PLATFORMS
from shelltool.exec_server.processes.service import LocalProcesses
from shelltool.version import DISTRIBUTION, installed_version


@dataclass(slots=True, kw_only=True)
class LocalMachine:
    """What outlives connections: threads, sandbox helpers, the connections of requests."""

    workers: FileWorkers = field(default_factory=FileWorkers)
    sender: HttpSender = field(default_factory=HttpSender)
    approves: bool = False
    """Whether processes run under rules."""

    async def close(self) -> None:
        """End it all."""
        await self.sender.close()
        await self.workers.close()


class LocalEnvironment:
    """An `Environment`, for one connection: file handles and streams end with it, processes with their session."""

    def __init__(self, machine: LocalMachine, processes: LocalProcesses, notify: Notify) -> None:
        self._machine = machine
        self._processes = processes
        self._files = LocalFiles(machine.workers, notify)
        self._http = LocalHttp(machine.sender, notify)

    @property
    def processes(self) -> LocalProcesses:
        """Processes."""
        return self._processes

    @property
    def files(self) -> FileService:
        """Files."""
        return self._files

    @property
    def http(self) -> HttpService:
        """Requests."""
        return self._http

    async def info(self, params: Nothing) -> EnvironmentInfo:  # noqa: ARG002 - it has none
        """Say what machine it is."""
        return describe_machine(approves=self._machine.approves)

    async def status(self, params: Nothing) -> EnvironmentStatus:  # noqa: ARG002 - it has none
        """Say that it is ready."""
        return EnvironmentStatus()

    async def close(self) -> None:
        """End what belongs to the connection, and the processes."""
        await self.close_connection()
        await self._processes.close()

    async def close_connection(self) -> None:
        """End what belongs to the connection; the processes go on."""
        await asyncio.gather(self._files.close(), self._http.close())


def describe_machine(
    *, approves: bool = False, environment: Mapping[str, str] = os.environ
) -> EnvironmentInfo:
    """Say what machine this is."""
    shell = _shell(environment)
    home = environment.get("HOME", "")
    return EnvironmentInfo(
        shell=Shell(name=Path(shell).name, path=shell),
        executor_version=installed_version(),
        provider_id=f"sha256:{hashlib.sha256(DISTRIBUTION.encode()).hexdigest()}",
        cwd=_working_folder(),
        user_home_dir=home if home.startswith("/") else None,
        platform_os=PLATFORMS.get(sys.platform, sys.platform),
        temp_dir=tempfile.gettempdir(),
        capabilities=Capabilities(exec_approve=approves),
    )


def _working_folder() -> str:
    with contextlib.suppress(OSError):
        return str(Path.cwd())
    return "/"


def _shell(environment: Mapping[str, str]) -> str:
    with contextlib.suppress(KeyError):
        shell = pwd.getpwuid(os.getuid()).pw_shell
        if os.access(shell, os.X_OK):
            return shell
    return environment.get("SHELL", "/bin/sh")
