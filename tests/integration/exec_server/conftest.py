"""The installation under test, and tests that are coroutines: each on a loop of its own, in bounded time."""

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from integration.exec_server.installation import Installation, install
from integration.exec_server.serving import SERVERS, SharedServers, over_websocket

TEST_S = 120.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in wanted}

    async def scene() -> None:
        async with asyncio.timeout(TEST_S):
            await pyfuncitem.obj(**arguments)

    asyncio.run(scene())
    return True


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="session")
def shared_servers(installation: Installation) -> Iterator[SharedServers]:
    servers = SharedServers(installation)
    yield servers
    servers.close()


@pytest.fixture(params=list(SERVERS))
def serving(request: pytest.FixtureRequest, installation: Installation, shared_servers: SharedServers):
    """Give what starts a server, over each transport, and without the compiled supervisor."""

    def start(**settings):
        if request.param == "websocket" and not settings:
            # What tests leave behind ends with their connection.
            return shared_servers.join(session_ttl_s=0)
        return SERVERS[request.param](installation, **settings)

    return start


@pytest.fixture
def serving_shared(shared_servers: SharedServers):
    """Give a server that listens, which other tests use, too."""
    return shared_servers.join


@pytest.fixture
def serving_once(installation: Installation):
    """Start a server that listens."""
    return lambda *options, **settings: over_websocket(installation, *options, **settings)
