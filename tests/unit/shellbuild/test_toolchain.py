"""Where zig's compilers find what they need."""

import subprocess
from pathlib import Path

import pytest

from shellbuild import toolchain
from shellbuild.project import host_target, load_project


def fake_zig(folder: Path) -> Path:
    """Make something that lies about like the ziglang package and says where its library is."""
    (folder / "lib" / "libc").mkdir(parents=True)
    (folder / "lib" / "libc" / "stdio.h").write_text("// a header\n", encoding="utf-8")
    zig = folder / "zig"
    zig.write_text('#!/bin/sh\necho "$ZIG_LIB_DIR $*"\n', encoding="utf-8")
    zig.chmod(0o755)
    return zig


def said_by(compiler: Path) -> str:
    return subprocess.run([compiler, "-c"], check=True, capture_output=True, text=True, timeout=10).stdout


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "cache"))


def toolchain_of(zig: Path, monkeypatch: pytest.MonkeyPatch) -> toolchain.Toolchain:
    monkeypatch.setattr(toolchain, "zig_program", lambda: zig)
    platform = load_project().platforms[host_target()]
    return toolchain.zig_toolchain(platform, platform)


def test_two_virtual_environments_share_one_library_so_that_libc_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = toolchain_of(fake_zig(tmp_path / "one"), monkeypatch)
    second = toolchain_of(fake_zig(tmp_path / "two"), monkeypatch)

    library = said_by(first.cc).split()[0]
    assert said_by(second.cc).split()[0] == library
    assert Path(library, "libc", "stdio.h").read_text(encoding="utf-8") == "// a header\n"


def test_a_link_that_names_no_flags_uses_those_of_all_else_so_that_libc_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = toolchain_of(fake_zig(tmp_path / "one"), monkeypatch)

    own = {*toolchain.COMMON_CFLAGS, *load_project().platforms[host_target()].cflags}
    assert "-Os" in own
    assert own <= set(said_by(made.cc).split())


def test_the_compiler_of_build_programs_uses_the_flags_of_all_else_so_that_libc_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = toolchain_of(fake_zig(tmp_path / "one"), monkeypatch)

    assert set(made.cflags) <= set(said_by(made.build_cc).split())
