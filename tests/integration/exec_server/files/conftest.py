"""File services of every kind, for the same tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.exec_server.files.subject import Subject, workspace_write
from integration.exec_server.in_memory import remote_environment
from integration.exec_server.installation import Installation
from shelltool.errors import SandboxUnavailableError
from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.files.api import FileService
from shelltool.exec_server.files.helper_pool import Helpers
from shelltool.exec_server.files.service import LocalFiles
from shelltool.exec_server.files.workers import FileWorkers
from shelltool.exec_server.local_environment import LocalMachine
from shelltool.exec_server.messages import Message
from shelltool.sandbox import Engine, native
from shelltool.sandbox.choice import try_bubblewrap, try_landlock

BWRAP = "/usr/bin/bwrap"
KINDS = ("local", "bubblewrap", "landlock", "remote", "remote bubblewrap")


@pytest.fixture(scope="session")
def native_programs(installation: Installation) -> Path:
    """Give the folder of codex-linux-sandbox and codex-sandbox-files."""
    return installation.vendor


@pytest.fixture(scope="session")
def engine_named(native_programs: Path) -> Callable[[str], Engine]:
    """Give an engine, or skip with the reason why it does not work here."""
    helper = str(native_programs / "codex-linux-sandbox")
    found: dict[str, Engine | str] = {}

    def give(name: str) -> Engine:
        if name not in found:
            try:
                abi = native.facts([helper, "--check"])["landlock"]
                found[name] = (
                    try_bubblewrap(helper, BWRAP, abi) if name == "bubblewrap" else try_landlock(helper, abi)
                )
            except SandboxUnavailableError as error:
                found[name] = f"{name} does not work here: {error}"
        engine = found[name]
        if isinstance(engine, str):
            pytest.skip(engine)
        return engine

    return give


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def helpers_of(
    native_programs: Path, engine_named: Callable[[str], Engine]
) -> Iterator[Callable[..., Helpers]]:
    """Make a pool of helpers in an engine; it is closed at the end, and leaves no process."""
    made: list[Helpers] = []

    def make(engine: str, **options: object) -> Helpers:
        chosen = engine_named(engine)
        made.append(
            Helpers(engine=lambda: chosen, program=lambda: native_programs / "codex-sandbox-files", **options)  # type: ignore[arg-type]
        )
        return made[-1]

    yield make
    for helpers in made:
        helpers.close()


@asynccontextmanager
async def _local(workers: FileWorkers, notify: Notify, **options: Any) -> AsyncIterator[FileService]:
    service = LocalFiles(workers, notify, **options)
    try:
        yield service
    finally:
        await service.close()
        await workers.close()


@asynccontextmanager
async def _remote(workers: FileWorkers, notify: Notify) -> AsyncIterator[FileService]:
    async with remote_environment(LocalMachine(workers=workers), notify) as environment:
        yield environment.files


@pytest.fixture
def subject_of(
    tmp_path: Path, runner: asyncio.Runner, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Subject]]:
    """Make a subject of some kind; those in an engine's sandbox may write in their folder."""
    contexts: list[AbstractAsyncContextManager[FileService]] = []

    def make(kind: str, **options: Any) -> Subject:
        folder = tmp_path.resolve() / "ws"
        folder.mkdir()
        notified: list[tuple[str, Message]] = []

        async def notify(method: str, params: Message) -> None:
            notified.append((method, params))

        engine = kind.removeprefix("remote").strip()
        confined = engine not in {"", "local"}
        workers = FileWorkers(request.getfixturevalue("helpers_of")(engine) if confined else None)
        make_service = _remote if kind.startswith("remote") else _local
        contexts.append(make_service(workers, notify, **options))
        service = runner.run(contexts[-1].__aenter__())
        sandbox = workspace_write(folder) if confined else None
        return Subject(kind, service, runner, folder, sandbox, notified)

    yield make
    for context in contexts:
        runner.run(context.__aexit__(None, None, None))


@pytest.fixture(params=KINDS)
def subject(request: pytest.FixtureRequest, subject_of: Callable[..., Subject]) -> Subject:
    """Each kind in turn."""
    return subject_of(request.param)


@pytest.fixture
def umask() -> Iterator[int]:
    """A umask that is no one's default."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)
