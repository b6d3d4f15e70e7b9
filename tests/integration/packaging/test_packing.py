"""What is not exactly what the manifest says is refused by name, by every package alike."""

import json
from functools import partial

import pytest

from integration.packaging.trees import PLATFORMS, make_tree, programs_of
from shellbuild import budgets
from shellbuild.archives import write_archives
from shellbuild.errors import PackageError, ShellBuildError, VendorError
from shellbuild.npm import pack_npm
from shellbuild.wheels import build_wheels
from unit.shellbuild.trees import git_commit

LINUX = PLATFORMS[0]
BASH = f"{LINUX.target}/bash/static/bash"


@pytest.fixture(params=[pack_npm, build_wheels, write_archives], ids=["npm", "wheels", "archives"])
def refusal(request, tree, tmp_path):
    def text(kind=ShellBuildError):
        with pytest.raises(kind) as caught:
            request.param(vendor=tree, dist=tmp_path / "dist")
        assert not (tmp_path / "dist").exists()
        return str(caught.value)

    return text


def edit_manifest(tree, change):
    path = tree / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_flipped_byte_is_refused(tree, refusal):
    data = bytearray((tree / BASH).read_bytes())
    data[len(data) // 2] ^= 1
    (tree / BASH).write_bytes(data)
    assert f"{BASH}: has sha256" in refusal(VendorError)


def test_a_missing_target_is_refused(tree, refusal):
    target = PLATFORMS[2].target
    edit_manifest(tree, lambda d: d.update(files=[f for f in d["files"] if f["target"] != target]))
    assert f"{target}: the manifest has no such target" in refusal(VendorError)


def test_a_missing_file_is_refused(tree, refusal):
    (tree / BASH).unlink()
    assert f"{BASH}: is missing" in refusal(VendorError)


def test_a_lost_run_bit_is_refused(tree, refusal):
    (tree / BASH).chmod(0o644)
    assert f"{BASH}: lost its run bit" in refusal(VendorError)


def test_a_manifest_that_does_not_match_is_refused(tree, refusal):
    edit_manifest(tree, lambda d: d["files"][0].update(sha256="0" * 64))
    assert "has sha256" in refusal(VendorError)


def test_a_file_that_the_manifest_does_not_know_is_refused(tree, refusal):
    (tree / LINUX.target / "extra").write_text("?", encoding="utf-8")
    assert f"{LINUX.target}/extra: is not in the manifest" in refusal(VendorError)


def test_a_target_without_a_shell_is_refused(tree, refusal):
    path = f"{LINUX.target}/zsh/static/zsh"
    edit_manifest(tree, lambda d: d.update(files=[f for f in d["files"] if f["path"] != path]))
    (tree / path).unlink()
    assert f"{LINUX.target}: there is no zsh" in refusal(PackageError)


def test_a_target_without_one_of_our_own_programs_is_refused(tree, refusal):
    path = f"{LINUX.target}/codex-execve-wrapper"
    edit_manifest(tree, lambda d: d.update(files=[f for f in d["files"] if f["path"] != path]))
    (tree / path).unlink()
    assert f"{LINUX.target}: there is no codex-execve-wrapper" in refusal(PackageError)


def test_one_target_of_another_compiler_patch_and_source_is_refused(tree, refusal):
    pin = git_commit("zsh")

    def change(document):
        for file in document["files"]:
            if file["path"] == BASH:
                file.update(toolchain="ziglang 0.1", patch_digest="0" * 64)
            if file["component"] == "zsh" and file["target"] == LINUX.target:
                file.update(commit=pin, source_sha256=None)

    edit_manifest(tree, change)
    text = refusal(PackageError)
    assert f"{LINUX.target}: bash is of patch digest {'0' * 64}, not " in text
    assert f"{LINUX.target}: bash is of toolchain ziglang 0.1, not " in text
    assert f"zsh: not of one source, but git:{pin} for {LINUX.target};" in text


def test_a_tree_of_another_version_is_refused(tree, refusal):
    edit_manifest(tree, lambda d: d.update(version="9.9.9"))
    assert "it is of version 9.9.9" in refusal(PackageError)


@pytest.mark.parametrize(
    "pack", [pack_npm, partial(build_wheels, targets=[LINUX.target])], ids=["npm", "wheels"]
)
def test_a_package_that_weighs_more_than_it_may_is_refused(pack, whole_tree, tmp_path, monkeypatch):
    monkeypatch.setattr(budgets, "FILE", tmp_path / "budgets.toml")
    budgets.FILE.write_text('[[budget]]\nfiles = "codex*"\nlargest = 1_000\n', encoding="utf-8")
    with pytest.raises(
        PackageError, match=r"codex.shell.tool.mcp-.*: [\d,]+ bytes, [\d,]+ more than codex\*"
    ):
        pack(vendor=whole_tree, dist=tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []


def test_programs_of_another_target_are_refused_by_wheels(tiny_programs, tmp_path):
    others = zip(PLATFORMS, reversed(tiny_programs.values()), strict=True)
    swapped = {row.target: dict.fromkeys(programs_of(row), one) for row, one in others}
    tree = make_tree(tmp_path / "vendor", swapped)
    with pytest.raises(
        PackageError, match=r"bash runs on macosx_11_0_arm64, but recipes/platforms\.toml says manylinux"
    ):
        build_wheels(vendor=tree, dist=tmp_path / "dist")
