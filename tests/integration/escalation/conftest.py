"""What the escalation tests share: the native helper, both wrappers, both keepers, and shells to judge.

The helper is compiled here from `native/`, so that what is tested is what lies in the tree. ESCALATION_HELPER names
another one, for another machine or with a sanitizer.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.arena import Shell
from integration.escalation.asked import Asked
from integration.escalation.world import World
from shelltool.escalation.keeping import KeeperProgram
from shelltool.escalation.native import python_keeper, write_python_wrapper
from zig import compile_with_zig

NATIVE = Path(__file__).parents[3] / "native"


@pytest.fixture(scope="session")
def native_helper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the wrapper that is also the keeper."""
    if given := os.environ.get("ESCALATION_HELPER"):
        return Path(given).resolve(strict=True)
    target = tmp_path_factory.mktemp("native") / "codex-execve-wrapper"
    flags = ["-O2", "-static", "-s", "-Wall", "-Wextra", "-Werror"]
    return compile_with_zig("x86_64-linux-musl", NATIVE / "execve_wrapper.c", target, *flags)


@pytest.fixture(scope="session")
def python_wrapper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a program of the Python wrapper."""
    return write_python_wrapper(tmp_path_factory.mktemp("python"))


@pytest.fixture(scope="session", params=["native", "python"])
def wrapper(request: pytest.FixtureRequest) -> Path:
    """Each of the two wrappers in turn: they have to behave alike."""
    name = {"native": "native_helper", "python": "python_wrapper"}[request.param]
    return Path(request.getfixturevalue(name))


@pytest.fixture
def ask(wrapper: Path) -> Iterator[Any]:
    """Start wrappers, and let none of them outlive the test."""
    with contextlib.ExitStack() as stack:

        def start(path: str | bytes, *argv: str | bytes, **options: Any) -> Asked:
            asked = Asked(wrapper, path, argv, **options)
            stack.callback(asked.close)
            return asked

        yield start


@pytest.fixture(scope="session", params=["native", "python"])
def keeper(request: pytest.FixtureRequest, native_helper: Path) -> KeeperProgram:
    """Each of the two keepers in turn."""
    return KeeperProgram(native_helper) if request.param == "native" else python_keeper()


@pytest.fixture(scope="session")
def bash(shell_named: Callable[[str], Shell]) -> Path:
    return shell_named("bash").patched


@pytest.fixture(scope="session")
def zsh(shell_named: Callable[[str], Shell]) -> Path:
    return shell_named("zsh").patched


@pytest.fixture
def world(tmp_path: Path, bash: Path, native_helper: Path) -> Iterator[World]:
    """A folder and the native parts, and nothing left of it afterwards."""
    world = World(root=tmp_path, shell=bash, wrapper=native_helper, keeper=KeeperProgram(native_helper))
    yield world
    world.check_nothing_is_left()


@pytest.fixture
def kept(world: World, keeper: KeeperProgram) -> World:
    """A world with each of the two keepers."""
    world.keeper = keeper
    return world


@pytest.fixture(params=["bash", "zsh"])
def shelled(request: pytest.FixtureRequest, world: World) -> World:
    """A world with each of the two shells."""
    world.shell = request.getfixturevalue(request.param)
    return world


@pytest.fixture(params=["native", "python"])
def twinned(request: pytest.FixtureRequest, shelled: World, python_wrapper: Path) -> World:
    """A world with each of the two shells, and all of ours native or all of it Python."""
    if request.param == "python":
        shelled.wrapper, shelled.keeper = python_wrapper, python_keeper()
    return shelled
