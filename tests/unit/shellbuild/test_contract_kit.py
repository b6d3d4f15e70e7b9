"""A kit holds what the contract tests ask for, run bits included, or it is refused."""

import os
import tarfile
from pathlib import Path

import pytest

from shellbuild import contract_kit
from shellbuild.contract_kit import VARIABLES, emulation, pack_kit, unpack_kit
from shellbuild.errors import UsageError, VendorError
from shellbuild.project import host_target, load_project


@pytest.fixture
def builds(tmp_path, monkeypatch):
    """Stand-ins for built shells."""

    def build(name, *, target, patched):
        folder = tmp_path / "builds" / f"{name}-{target}-{patched}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} {patched}", encoding="utf-8")
        (folder / name).chmod(0o755)
        return folder / name

    monkeypatch.setattr(contract_kit, "build_shell", build)


def test_what_was_packed_is_unpacked_with_its_run_bits(builds, tmp_path):
    kit = pack_kit(host_target(), folder=tmp_path / "kits")
    assert kit.name == f"{host_target()}.tar"
    shells = unpack_kit(kit)
    assert shells.keys() == VARIABLES.keys()
    for variable, path in shells.items():
        assert os.access(path, os.X_OK)
        name = "bash" if "BASH" in variable else "zsh"
        assert Path(path).read_text(encoding="utf-8") == f"{name} {'UNPATCHED' not in variable}"


def test_an_unknown_target_is_refused_before_anything_is_built(builds, tmp_path):
    with pytest.raises(UsageError, match="no target 'vax'"):
        pack_kit("vax", folder=tmp_path / "kits")
    assert not (tmp_path / "kits").exists()


def test_a_kit_that_is_not_there_is_told_how_to_make(tmp_path):
    with pytest.raises(VendorError, match="nox -s contract_kit"):
        unpack_kit(tmp_path / "kit.tar")


def test_a_kit_that_lacks_a_shell_is_refused(builds, tmp_path):
    kit = pack_kit(host_target(), folder=tmp_path / "kits")
    with tarfile.open(kit) as source, tarfile.open(tmp_path / "less.tar", "w") as target:
        for member in source:
            if "zsh/unpatched" not in member.name:
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
    with pytest.raises(VendorError, match="lacks zsh/unpatched/zsh"):
        unpack_kit(tmp_path / "less.tar")


def other(system):
    mine = load_project().platforms[host_target()]
    rows = load_project().platforms.values()
    return next(row for row in rows if row.os == system and row != mine and row.arch != mine.arch)


def test_shells_of_this_machine_are_started_by_its_kernel(tmp_path):
    mine = load_project().platforms[host_target()]
    assert emulation(tmp_path / f"{host_target()}.tar") == ({"CONTRACT_WRAPPER_TARGET": mine.zig_target}, [])


@pytest.mark.skipif(not host_target().endswith("linux-musl"), reason="qemu-user is for Linux")
def test_shells_for_another_processor_and_their_commands_are_started_by_qemu(monkeypatch, tmp_path):
    foreign, mine = other("linux"), load_project().platforms[host_target()]
    monkeypatch.setattr(contract_kit, "format_line", lambda row: f"line of {row.arch}")
    monkeypatch.setattr(contract_kit, "emulating", lambda line: ["where", line])
    assert emulation(tmp_path / f"{foreign.target}.tar") == (
        {
            "CONTRACT_WRAPPER_TARGET": mine.zig_target,
            "CONTRACT_COMMAND_TARGET": foreign.zig_target,
            "CONTRACT_FORMAT": f"line of {foreign.arch}",
        },
        ["where", f"line of {foreign.arch}"],
    )
    with pytest.raises(UsageError, match="nor does qemu"):
        emulation(tmp_path / f"{other('macos').target}.tar")
