"""One test's own world: a home with rules, a work folder, and servers that the SDK's client talks to over stdio.

Everything is bounded: a conversation by its deadline, and the wait for processes to be gone by another.
"""

import asyncio
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, EmptyResult, Request

from integration.mcp_server.installed import Installation

CONVERSATION_S = 120.0
"""For everything that one test does with a server, on a machine with better things to do."""
GONE_S = 10.0
"""For what had the chance to end in order, on such a machine."""

Value = TypeVar("Value")
Custom = Request[dict[str, Any] | None, str]


@dataclass(kw_only=True)
class Person:
    """Who is asked: gives the answers in turn, and then the last one again."""

    answers: Sequence[ElicitResult] = (ElicitResult(action="accept", content={}),)
    asked: list[str] = field(default_factory=list)
    before_answering: Callable[[], Awaitable[None]] | None = None

    async def answer(self, _context: object, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        if self.before_answering:
            await self.before_answering()
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def refusing(action: str, reason: str | None = None) -> Person:
    content = {"reason": reason} if reason else None
    return Person(answers=[ElicitResult.model_validate({"action": action, "content": content})])


@dataclass(kw_only=True)
class World:
    """Where a test is: its folders, and how it starts a server."""

    root: Path
    installation: Installation
    arguments: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    command: Sequence[str] | None = None
    """Another server than ours."""

    def __post_init__(self) -> None:
        for folder in (self.work, self.home / "rules"):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def log(self) -> str:
        return (self.root / "stderr").read_text(encoding="utf-8")

    def rules(self, text: str, name: str = "default.rules") -> Path:
        file = self.home / "rules" / name
        file.write_text(text, encoding="utf-8")
        return file

    def fifo(self, name: str = "alive") -> Path:
        path = self.work / name
        os.mkfifo(path)
        return path

    def start(self) -> tuple[list[str], dict[str, str]]:
        """Give the command line and the environment of the server."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("CODEX_", "PYTHON"))
        }
        environment |= {
            "HOME": str(self.root),
            "CODEX_HOME": str(self.home),
            "PYTHONPATH": str(self.installation.source),
            **self.environment,
        }
        ours = [sys.executable, "-m", "shelltool.mcp_server.cli"]
        return [*(self.command or ours), *self.arguments], environment

    @asynccontextmanager
    async def connect(self, person: Person | None = None, **options: Any) -> AsyncIterator[Client]:
        """Start a server and connect the SDK's client to it."""
        (program, *arguments), environment = self.start()
        parameters = StdioServerParameters(command=program, args=arguments, env=environment, cwd=self.root)
        with (self.root / "stderr").open("a", encoding="utf-8") as log:
            transport = stdio_client(parameters, errlog=log)
            if person:
                options["elicitation_callback"] = person.answer
            async with Client(transport, **options) as client:
                yield client

    def use(
        self,
        conversation: Callable[[Client], Awaitable[Value]],
        *,
        person: Person | None = None,
        state: str | dict[str, Any] | None = "danger-full-access",
        **options: Any,
    ) -> Value:
        """Have a conversation with a server of its own."""

        async def converse() -> Value:
            async with self.connect(person, **options) as client:
                if state is not None:
                    await set_state(client, state, self.work)
                return await conversation(client)

        return asyncio.run(asyncio.wait_for(converse(), CONVERSATION_S))

    def shell(
        self,
        command: str,
        *,
        person: Person | None = None,
        state: str | dict[str, Any] | None = "danger-full-access",
        **arguments: Any,
    ) -> dict[str, Any]:
        """Run one command in a server of its own."""
        return self.use(
            lambda client: shell(client, command, workdir=self.work, **arguments), person=person, state=state
        )

    @contextmanager
    def process(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a server for a test that speaks to it by itself."""
        argv, environment = self.start()
        with (self.root / "stderr").open("ab") as log:
            server = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self.root,
            )
        # So that a test which waits for a line that never comes gets the end of the stream.
        deadline = threading.Timer(CONVERSATION_S, server.kill)
        deadline.start()
        try:
            yield server
        finally:
            deadline.cancel()
            server.kill()
            server.wait()
            for stream in (server.stdin, server.stdout):
                with suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]


async def set_state(client: Client, state: str | dict[str, Any], cwd: Path) -> None:
    """Say which sandbox is wanted."""
    policy = {"type": state} if isinstance(state, str) else state
    params = {
        "sandboxPolicy": policy,
        "sandboxCwd": str(cwd),
        "codexLinuxSandboxExe": None,
        "useLinuxSandboxBindMounts": False,
    }
    await client.session.send_request(Custom(method="codex/sandbox-state/update", params=params), EmptyResult)


async def shell(client: Client, command: str, *, workdir: Path, **arguments: Any) -> dict[str, Any]:
    """Call the tool and give the structured result; login shells are slow and only run where a test is about them."""
    result = await call(client, command, workdir=workdir, **arguments)
    assert not result.is_error
    structured = result.structured_content
    assert isinstance(structured, dict)
    return structured


async def call(client: Client, command: str, *, workdir: Path, **arguments: Any) -> CallToolResult:
    given = {"command": command, "workdir": str(workdir), "login": False, "timeout_ms": 60_000} | arguments
    return await client.call_tool("shell", given)


def wait_until_gone(fifo: int, patience_s: float = GONE_S) -> bool:
    """Wait for the end of a pipe: every process that held it open for writing is gone."""
    deadline = time.monotonic() + patience_s
    while (left := deadline - time.monotonic()) > 0:
        if select.select([fifo], [], [], left)[0] and not os.read(fifo, 1 << 16):
            return True
    return False
