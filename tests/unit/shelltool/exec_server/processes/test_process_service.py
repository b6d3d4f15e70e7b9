"""The processes of one session: what is started belongs to somebody, who ends it."""

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.processes.launching import Launcher
from shelltool.exec_server.processes.messages import StartProcess
from shelltool.exec_server.processes.process import Settings
from shelltool.exec_server.processes.service import LocalProcesses
from shelltool.exec_server.processes.supervising import python_supervisor

PATIENCE_S = 20.0


class Nobody:
    """An outlet for notifications that nobody reads."""

    is_full = False

    def send(self, method, params):
        """Forget it."""

    def when_not_full(self, callback):
        callback()


@dataclass(frozen=True, kw_only=True)
class SlowLauncher(Launcher):
    """Takes as long to prepare a process as a test says."""

    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def needs_thread(self, params: StartProcess) -> bool:  # noqa: ARG002
        return True

    def prepare(self, params: StartProcess) -> Any:
        self.asked.set()
        assert self.go_on.wait(PATIENCE_S)
        return super().prepare(params)


def test_a_process_whose_session_ends_while_it_is_prepared_is_not_started(tmp_path):
    launcher = SlowLauncher()

    async def scene():
        settings = Settings(supervisor=python_supervisor(), files_limit=1024)
        processes = LocalProcesses(launcher=launcher, settings=settings, outlet=Nobody())
        params = StartProcess(
            process_id="p", argv=["/usr/bin/touch", "made"], cwd=str(tmp_path), env={}, tty=False
        )
        starting = asyncio.create_task(processes.start(params))
        assert await asyncio.to_thread(launcher.asked.wait, PATIENCE_S)
        await processes.close()
        launcher.go_on.set()
        with pytest.raises(RpcError, match="the session has ended"):
            await starting
        await asyncio.gather(*processes._tasks)

    asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))
    assert list(tmp_path.iterdir()) == []
