import tarfile

import pytest

from shellbuild import archives, budgets
from shellbuild.errors import PackageError, VendorError
from shellbuild.tarball import Member
from shellbuild.version import project_version
from unit.shellbuild.trees import ARM, LINUX, WHOLE, make_tree

VERSION = project_version().semver


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "function_members", lambda _: [Member(name="codex-zsh/bin/functions/_git")])
    return make_tree(tmp_path / "vendor", LINUX, ARM, content=WHOLE)


def names(path) -> dict[str, int]:
    with tarfile.open(path) as archive:
        return {member.name: member.mode for member in archive if member.isfile()}


def test_an_archive_holds_a_shell_in_the_published_layout(tree, tmp_path):
    made = archives.write_archives([LINUX], vendor=tree, dist=tmp_path / "dist")
    bash, zsh, functions = made
    assert bash.name == f"codex-bash-{VERSION}-{LINUX}.tar.gz"
    assert names(bash) == {"codex-bash/bin/bash": 0o755, "codex-bash/licenses/bash/COPYING": 0o644}
    assert names(zsh) == {"codex-zsh/bin/functions/compinit": 0o644, "codex-zsh/bin/zsh": 0o755}
    assert functions.name == f"codex-zsh-functions-{VERSION}.tar.gz"


def test_packing_twice_gives_the_same_bytes(tree, tmp_path):
    first, second = (
        [
            path.read_bytes()
            for path in archives.write_archives([LINUX, ARM], vendor=tree, dist=tmp_path / name)
        ]
        for name in ("one", "two")
    )
    assert first == second
    assert len(first) == 5


def test_a_tree_that_is_not_what_its_manifest_says_is_not_packed(tree, tmp_path):
    (tree / LINUX / "zsh/static/zsh").chmod(0o644)
    with pytest.raises(VendorError, match="zsh/static/zsh: lost its run bit"):
        archives.write_archives([LINUX], vendor=tree, dist=tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_a_missing_target_is_named(tree, tmp_path):
    with pytest.raises(VendorError, match="aarch64-apple-darwin"):
        archives.write_archives(vendor=tree, dist=tmp_path / "dist")


def test_a_release_of_one_shell_packs_that_one_under_its_own_version(tree, tmp_path):
    made = archives.write_archives(
        [LINUX], tag="codex-bash-v5.3.1-alpha.2", vendor=tree, dist=tmp_path / "dist"
    )
    assert [path.name for path in made] == [f"codex-bash-5.3.1-alpha.2-{LINUX}.tar.gz"]


def test_an_archive_that_weighs_more_than_it_may_is_named(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(budgets, "FILE", tmp_path / "budgets.toml")
    budgets.FILE.write_text('[[budget]]\nfiles = "codex-bash-*"\nlargest = 100\n', encoding="utf-8")
    with pytest.raises(PackageError, match=rf"\ncodex-bash-{VERSION}-{LINUX}\.tar\.gz: \d+ bytes"):
        archives.write_archives([LINUX], vendor=tree, dist=tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []
