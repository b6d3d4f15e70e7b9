import json
import os
from pathlib import Path

import pytest

from shellbuild.builder import make_native_request, make_request
from shellbuild.manifest import NAME, make_manifest, save_manifest, verify
from shellbuild.project import load_project
from shellbuild.vendor import content, install
from shellbuild.vendor.assemble import kept_files, lay_out
from shellbuild.vendor.content import native_items, shell_items
from unit.shellbuild.trees import ARM, LINUX, make_tree

PIN = "d" * 64


def result(folder, name, **files):
    for path, text in files.items():
        place = folder / path.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    record = {"source": f"sha256:{PIN}", "toolchain": "ziglang 9", "seconds": 12.5, "recipe": name}
    (folder / "build.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.fixture
def zsh(tmp_path, monkeypatch):
    library = result(tmp_path / "ncurses", "ncurses", licenses__ncurses__COPYING="terms")
    monkeypatch.setattr(content, "build", lambda *_: library)
    return result(
        tmp_path / "zsh",
        "zsh",
        zsh="\x7fELF",
        functions__compinit="c",
        functions___git="g",
        licenses__zsh__LICENCE="terms",
        **{"shipped-functions": "compinit\n"},
    )


def test_what_ships_of_a_shell_is_itself_its_listed_functions_and_all_licences(zsh):
    items = shell_items(make_request("zsh", target=LINUX), zsh)
    assert {item.path.removeprefix(f"{LINUX}/zsh/static/"): (item.role, item.mode) for item in items} == {
        "zsh": ("program", "0755"),
        "functions/compinit": ("data", "0644"),
        "licenses/zsh/LICENCE": ("license", "0644"),
        "licenses/ncurses/COPYING": ("license", "0644"),
        "licenses/musl/COPYRIGHT": ("license", "0644"),
        "licenses/zig/LICENSE": ("license", "0644"),
    }
    assert {(item.origin.source_sha256, item.origin.commit, item.origin.toolchain) for item in items} == {
        (PIN, None, "ziglang 9")
    }


def test_macos_programs_come_without_the_text_of_a_library_that_is_not_in_them(zsh):
    names = [item.path for item in shell_items(make_request("zsh", target="aarch64-apple-darwin"), zsh)]
    assert not any("musl" in name for name in names)
    assert "aarch64-apple-darwin/zsh/macos-11/zsh" in names


def test_our_own_programs_ship_where_their_recipe_says(tmp_path):
    names = [program.name for program in load_project().native.program]
    built = result(tmp_path / "native", "native", **dict.fromkeys(names, "\x7fELF"))
    linux, mac = (
        {item.path for item in native_items(make_native_request(target), built) if item.role == "program"}
        for target in (LINUX, "x86_64-apple-darwin")
    )
    assert linux == {f"{LINUX}/{name}" for name in names}
    assert mac == {"x86_64-apple-darwin/codex-execve-wrapper"}


def test_a_target_is_laid_out_with_the_same_modes_under_any_umask(zsh, tmp_path):
    root = tmp_path / "vendor"
    before = os.umask(0o077)
    try:
        entries = lay_out(root, LINUX, shell_items(make_request("zsh", target=LINUX), zsh))
    finally:
        os.umask(before)
    save_manifest(make_manifest("0.1.0", entries), root)
    assert verify(root).targets == (LINUX,)
    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_dir()}
    assert modes == {0o755}
    assert (root / LINUX / "zsh/static/zsh").stat().st_mode & 0o777 == 0o755


def test_laying_out_a_target_again_leaves_nothing_of_before(zsh, tmp_path):
    root = make_tree(tmp_path / "vendor", LINUX)
    lay_out(root, LINUX, shell_items(make_request("zsh", target=LINUX), zsh))
    assert not (root / LINUX / "bash").exists()


def test_laying_out_the_same_files_again_touches_none_of_them_but_what_was_spoilt(zsh, tmp_path):
    root, items = tmp_path / "vendor", shell_items(make_request("zsh", target=LINUX), zsh)
    save_manifest(make_manifest("0.1.0", lay_out(root, LINUX, items)), root)
    before = (root / LINUX).stat().st_ino
    assert lay_out(root, LINUX, items) == [item.describe(item.source) for item in items]
    assert (root / LINUX).stat().st_ino == before
    for spoil in (lambda shell: shell.write_bytes(b"?"), lambda shell: shell.chmod(0o644), Path.unlink):
        spoil(root / LINUX / "zsh/static/zsh")
        lay_out(root, LINUX, items)
        assert verify(root).targets == (LINUX,)


def test_entries_of_other_targets_are_kept_while_they_are_true(tmp_path):
    root = make_tree(tmp_path / "vendor", LINUX, ARM)
    assert {file.target for file in kept_files(root, [LINUX], "0.1.0")} == {ARM}
    assert kept_files(root, [LINUX], "0.2.0") == ()
    (root / ARM / "bash/static/bash").unlink()
    assert kept_files(root, [LINUX], "0.1.0") == ()
    (root / NAME).unlink()
    assert kept_files(root, [LINUX], "0.1.0") == ()


def test_a_single_shell_is_installed_as_it_ships_and_comparison_builds_whole(zsh, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(install, "BUILD", tmp_path / "build")
    shipped = install.install_shell(make_request("zsh", target=LINUX), zsh)
    assert shipped == tmp_path / "vendor" / LINUX / "zsh/static/zsh"
    assert not (shipped.parent / "functions/_git").exists()
    assert not (shipped.parent / "build.json").exists()
    whole = install.install_shell(make_request("zsh", target=LINUX, patched=False), zsh)
    assert (whole.parent / "functions/_git").exists()
    assert (whole.parent / "build.json").exists()
