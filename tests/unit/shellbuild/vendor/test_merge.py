import pytest

from shellbuild.errors import VendorError
from shellbuild.manifest import load_manifest, make_manifest, save_manifest, verify
from shellbuild.vendor import merge
from shellbuild.vendor.merge import merge_parts
from unit.shellbuild.trees import ARM, LINUX, make_tree


@pytest.fixture(autouse=True)
def any_program_will_do(monkeypatch):
    monkeypatch.setattr(merge, "check_programs", lambda *_: None)
    monkeypatch.setattr(merge, "project_version", lambda: type("V", (), {"semver": "0.1.0"}))


def refusal(*folders, root) -> str:
    with pytest.raises(VendorError) as caught:
        merge_parts(folders, root=root)
    return str(caught.value)


def test_parts_become_one_tree_with_one_manifest(tmp_path):
    parts = [make_tree(tmp_path / target, target) for target in (LINUX, ARM)]
    root = tmp_path / "vendor"
    assert merge_parts(parts, root=root) == root / "manifest.json"
    assert verify(root).targets == (ARM, LINUX)
    assert (root / ARM / "bash/static/bash").stat().st_mode & 0o777 == 0o755


def test_the_targets_that_were_there_stay(tmp_path):
    root = make_tree(tmp_path / "vendor", LINUX)
    merge_parts([make_tree(tmp_path / "part", ARM)], root=root)
    assert verify(root).targets == (ARM, LINUX)


def test_a_target_that_was_there_and_has_changed_since_is_left_out(tmp_path):
    root = make_tree(tmp_path / "vendor", LINUX, ARM)
    (root / LINUX / "bash/static/bash").write_bytes(b"other")
    merge_parts([make_tree(tmp_path / "part", ARM)], root=root)
    assert load_manifest(root).targets == (ARM,)
    with pytest.raises(VendorError, match=f"{LINUX}: the manifest has no such target"):
        verify(root, [ARM, LINUX])


def test_a_newer_part_replaces_its_target_whole(tmp_path):
    root = make_tree(tmp_path / "vendor", LINUX)
    (root / LINUX / "left-over").write_bytes(b"")
    merge_parts([make_tree(tmp_path / "part", LINUX)], root=root)
    assert not (root / LINUX / "left-over").exists()


def test_every_fault_of_every_part_is_named_and_nothing_is_copied(tmp_path):
    good, bad = make_tree(tmp_path / "good", LINUX), make_tree(tmp_path / "bad", ARM)
    (bad / ARM / "zsh/static/zsh").write_bytes(b"\x7fELF zsi")
    old = make_tree(tmp_path / "old", "aarch64-apple-darwin", version="0.0.9")
    text = refusal(good, bad, old, tmp_path / "none", root=tmp_path / "vendor")
    assert f"{ARM}/zsh/static/zsh: has sha256" in text
    assert "old is of version 0.0.9, this checkout is 0.1.0" in text
    assert "none" in text
    assert not (tmp_path / "vendor").exists()


def test_two_parts_with_the_same_target_are_refused(tmp_path):
    parts = [make_tree(tmp_path / name, LINUX) for name in ("one", "two")]
    assert f"both hold {LINUX}" in refusal(*parts, root=tmp_path / "vendor")


def test_parts_of_different_patches_are_refused_and_nothing_is_copied(tmp_path):
    one, other = make_tree(tmp_path / "one", LINUX), make_tree(tmp_path / "other", ARM)
    manifest = load_manifest(other)
    files = [file.model_copy(update={"patch_digest": "0" * 64}) for file in manifest.files]
    save_manifest(make_manifest(manifest.version, files), other)
    text = refusal(one, other, root=tmp_path / "vendor")
    assert f"{ARM}: bash is of patch digest {'0' * 64}, not " in text
    assert f"{ARM}: zsh is of patch digest" in text
    assert not (tmp_path / "vendor").exists()


def test_a_part_for_an_unknown_platform_is_refused(tmp_path):
    part = make_tree(tmp_path / "part", "riscv64-unknown-linux-musl")
    with pytest.raises(Exception, match="riscv64-unknown-linux-musl"):
        merge_parts([part], root=tmp_path / "vendor")


def test_programs_that_can_not_ship_are_refused(tmp_path, monkeypatch):
    def refuse(programs, platform):
        raise VendorError(f"{next(iter(programs))}: is not static")

    monkeypatch.setattr(merge, "check_programs", refuse)
    part = make_tree(tmp_path / "part", LINUX)
    assert f"{LINUX}/bash/static/bash: is not static" in refusal(part, root=tmp_path / "vendor")
