"""The helper and the probe, compiled once; a world for each engine and user that this machine has."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from excuses import machine
from integration.sandbox.world import NOBODY, User, World
from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox import Engine, native
from shelltool.sandbox.bubblewrap import Bubblewrap
from shelltool.sandbox.choice import try_bubblewrap, try_landlock

NATIVE = Path(__file__).parents[3] / "native"
HERE = Path(__file__).parent
CFLAGS = ("-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror")
BWRAP = "/usr/bin/bwrap"
_numbers = count()


def compile_c(source: Path, target: Path, *flags: str) -> Path:
    """Compile with the host's own compiler: fast, and it has the sanitizers."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    subprocess.run([gcc, *CFLAGS, *flags, "-o", target, source], check=True, timeout=120)
    target.chmod(0o755)
    return target


@pytest.fixture(scope="session")
def area() -> Iterator[Path]:
    """A folder that other users can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="sandbox-test-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def helper(area: Path) -> Path:
    """codex-linux-sandbox."""
    return compile_c(NATIVE / "linux_sandbox.c", area / "codex-linux-sandbox", "-static")


@pytest.fixture(scope="session")
def probe(area: Path) -> Path:
    """The program behind tests/integration/sandbox/probe.c."""
    return compile_c(HERE / "probe.c", area / "probe", "-static")


@pytest.fixture(scope="session")
def engines(helper: Path) -> dict[str, Engine | str]:
    """What works here, or why it doesn't."""
    abi = native.facts([str(helper), "--check"])["landlock"]
    found: dict[str, Engine | str] = {}
    for name, attempt in (
        ("bubblewrap", lambda: try_bubblewrap(str(helper), BWRAP, abi)),
        ("landlock", lambda: try_landlock(str(helper), abi)),
    ):
        try:
            found[name] = attempt()
        except SandboxUnavailableError as error:
            found[name] = f"{name} does not work here: {error}"
    bubblewrap = found["bubblewrap"]
    alone = replace(bubblewrap, landlock=False) if isinstance(bubblewrap, Bubblewrap) else bubblewrap
    return {**found, "bubblewrap alone": alone}


def _world(area: Path, probe: Path, engine: Engine | str, user: User) -> World:
    if isinstance(engine, str):
        pytest.skip(engine)
    return World(root=area / f"world{next(_numbers)}", engine=engine, user=user, probe=probe)


def _users() -> list[User]:
    own = User("self", os.geteuid())
    return [own, User("nobody", NOBODY)] if os.geteuid() == 0 else [own]


@pytest.fixture(params=["bubblewrap", "landlock"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=_users(), ids=lambda user: user.name)
def user(request: pytest.FixtureRequest) -> User:
    assert isinstance(request.param, User)
    return request.param


@pytest.fixture
def world(area: Path, probe: Path, engines: dict[str, Engine | str], engine_name: str, user: User) -> World:
    """Each engine, each user."""
    return _world(area, probe, engines[engine_name], user)


@pytest.fixture
def own_world(area: Path, probe: Path, engines: dict[str, Engine | str], engine_name: str) -> World:
    """Each engine, as whoever runs the tests."""
    return _world(area, probe, engines[engine_name], _users()[0])


@pytest.fixture
def nobodys_world(area: Path, probe: Path, engines: dict[str, Engine | str], engine_name: str) -> World:
    """Each engine, as somebody without privileges whose things root can prepare."""
    if os.geteuid() != 0:
        pytest.skip(machine("only root can prepare another user's things"))
    return _world(area, probe, engines[engine_name], _users()[-1])


@pytest.fixture
def mounts(area: Path, probe: Path, engines: dict[str, Engine | str], user: User) -> World:
    """Bubblewrap alone, for what only mounts and namespaces can do."""
    return _world(area, probe, engines["bubblewrap"], user)


@pytest.fixture
def rules(area: Path, probe: Path, engines: dict[str, Engine | str], user: User) -> World:
    """Landlock alone, for what only it does."""
    return _world(area, probe, engines["landlock"], user)
