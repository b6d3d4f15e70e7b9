"""Vendor trees to make packages of: this machine's real shells, and small programs for the other targets."""

import shutil
import subprocess
from pathlib import Path

import pytest

from integration.packaging.trees import PLATFORMS, make_tree, programs_of
from zig import COMPILE_S

PROGRAM = 'int main(void) { return 0; } const char note[] = "%s";\n'


@pytest.fixture(scope="session")
def tiny_programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One program for each target, made by the compiler that makes the real ones."""
    from shellbuild.project import host_target, load_project
    from shellbuild.toolchain import build_environment, zig_toolchain

    folder = tmp_path_factory.mktemp("tiny")
    native = load_project().platforms[host_target()]
    found = {}
    for row in PLATFORMS:
        # The same compiler as for the shells, whose libc is in the cache.
        tools = zig_toolchain(row, native)
        source, program = folder / f"{row.target}.c", folder / row.target
        source.write_text(PROGRAM % row.target, encoding="utf-8")
        subprocess.run(
            [tools.cc, *tools.cflags, *tools.ldflags, "-o", program, source],
            check=True,
            timeout=COMPILE_S,
            env=build_environment(tools, home=folder),
        )
        found[row.target] = program
    return found


@pytest.fixture(scope="session")
def real_shells() -> dict[str, Path]:
    """The shells of this machine, from the project's cached builds."""
    from shellbuild.builder import build_shell

    return {name: build_shell(name) for name in ("bash", "zsh")}


@pytest.fixture(scope="session")
def whole_tree(
    tmp_path_factory: pytest.TempPathFactory, tiny_programs: dict[str, Path], real_shells: dict[str, Path]
) -> Path:
    """A tree for all targets; only read it."""
    from shellbuild.project import host_target

    programs = {row.target: dict.fromkeys(programs_of(row), tiny_programs[row.target]) for row in PLATFORMS}
    programs[host_target()] |= real_shells
    return make_tree(tmp_path_factory.mktemp("whole") / "vendor", programs)


@pytest.fixture
def tree(whole_tree: Path, tmp_path: Path) -> Path:
    """A copy of the tree, to be spoilt."""
    return Path(shutil.copytree(whole_tree, tmp_path / "vendor"))
