"""The runtime of this checkout, put together as it would be installed, and a world for each test."""

from pathlib import Path

import pytest

from integration.mcp_server.installed import Installation, install
from integration.mcp_server.peer import Peer, fetch_peer
from integration.mcp_server.world import World
from integration.published import PackageUnavailableError


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Put the runtime together, once."""
    return install(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def world(tmp_path: Path, installation: Installation) -> World:
    """A world with our server and bash."""
    return World(root=tmp_path, installation=installation)


@pytest.fixture(params=["bash", "zsh"])
def each_shell(request: pytest.FixtureRequest, world: World) -> World:
    """A world with our server and each of our shells."""
    world.arguments = ["--shell", request.param]
    return world


@pytest.fixture(scope="session")
def peer() -> Peer:
    """The published programs, where npm can be reached."""
    try:
        return fetch_peer()
    except PackageUnavailableError as error:
        pytest.skip(str(error))
