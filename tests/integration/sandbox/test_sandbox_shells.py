"""A hostile script against the patched shell that runs it: what interception withstands, and what only the sandbox does."""

import shutil
from pathlib import Path

import pytest

from integration.sandbox.conftest import HERE, compile_c
from integration.sandbox.world import FULL_ACCESS, World

pytestmark = pytest.mark.build

WRAPPERS = Path(__file__).parents[2] / "wrappers"
DENIER, PASSTHROUGH = "wrapper-a", "wrapper-b"
"""As long as each other, so that one name fits where the other was."""
NO_STARTUP_FILES = {"bash": "--norc --noprofile", "zsh": "-f"}


@pytest.fixture(scope="session")
def shells() -> dict[str, Path]:
    """The static shells as they are shipped."""
    from shellbuild.builder import build_shell

    return {name: build_shell(name) for name in ("bash", "zsh")}


@pytest.fixture(scope="session")
def wrappers(area: Path) -> dict[str, Path]:
    """A wrapper that refuses every command, and one that runs every command."""
    sources = {DENIER: "denier.c", PASSTHROUGH: "passthrough.c"}
    return {name: compile_c(WRAPPERS / source, area / name, "-static") for name, source in sources.items()}


@pytest.fixture(params=NO_STARTUP_FILES)
def shell_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hostile(own_world: World, shells: dict[str, Path], wrappers: dict[str, Path]) -> World:
    """A world with both shells, both wrappers, and a library that tells when it is loaded."""
    world = own_world
    for name, program in {**shells, **wrappers}.items():
        shutil.copy(program, world.root / "bin" / name)
    source = world.put(
        "bin/spy.c",
        "#include <unistd.h>\n"
        '__attribute__((constructor)) static void spy(void) { if (write(2, "loaded\\n", 7) < 0) _exit(1); }\n',
    )
    compile_c(source, world.root / "bin/spy.so", "-shared", "-fPIC")
    world.env["EXEC_WRAPPER"] = f"{world.root}/bin/{DENIER}"
    return world


def start(name: str) -> str:
    return f"@root@/bin/{name} {NO_STARTUP_FILES[name]}"


def test_a_library_that_the_environment_names_is_not_loaded_into_the_shell(hostile: World, shell_name: str):
    nested = f"LD_PRELOAD=@root@/bin/spy.so {start(shell_name)} -c ':'"
    assert hostile.run(nested).stderr == b""
    assert hostile.run("LD_PRELOAD=@root@/bin/spy.so /bin/bash -c ':'").stderr == b"loaded\n"


def test_bash_takes_no_code_from_a_file(hostile: World):
    done = hostile.run(f"{start('bash')} -c 'enable -f @root@/bin/spy.so spy'")
    assert done.status != 0
    assert b"loaded" not in done.stderr


def test_zsh_takes_no_code_from_a_file(hostile: World):
    done = hostile.run(f"{start('zsh')} -c 'module_path=(@root@/bin); zmodload spy'")
    assert done.status != 0
    assert b"loaded" not in done.stderr


@pytest.mark.parametrize("engine_name", ["bubblewrap", "bubblewrap alone", "landlock"])
def test_a_script_can_rewrite_its_own_shell_without_a_sandbox_but_not_in_one(hostile: World):
    """The honest limit of interception: nothing in a process is safe from that process."""
    shutil.copy(HERE / "rewrite_memory.zsh", hostile.root / "bin")
    script = f"@root@/bin/rewrite_memory.zsh @root@/bin/{DENIER} @root@/bin/{PASSTHROUGH} /bin/echo ran"
    assert hostile.output(f"{start('zsh')} {script}", FULL_ACCESS) == "ran"
    done = hostile.run(f"{start('zsh')} {script}")
    assert done.stdout == b""
    assert b"sysopen" in done.stderr
    assert done.stderr.endswith(b"denied: /bin/echo\n")
