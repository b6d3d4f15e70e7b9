"""Editing a patch in a tiny project: real git, no network."""

import pytest

from shellbuild import refresh
from shellbuild.errors import PatchError
from shellbuild.native_recipe import load_native
from shellbuild.platforms import load_platforms
from shellbuild.project import NATIVE, RECIPES, Project
from shellbuild.recipe import ArchiveSource, Configure, Recipe, Release, Sources
from shellbuild.sources import Provider, SourceTree

HEADER = "Subject: a\nWhy: b\nUpstream: c\nTest: d\n\n"
FIRST = "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"
SECOND = "diff --git a/file b/file\n--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n ONE\n-two\n+TWO\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A recipe with a series of two patches; gives the folder of the patches."""
    upstream, patches = tmp_path / "upstream", tmp_path / "patches"
    upstream.mkdir()
    patches.mkdir()
    (upstream / "file").write_text("one\ntwo\n", encoding="utf-8")
    for name, body in (("first.patch", FIRST), ("second.patch", SECOND)):
        (patches / name).write_text(HEADER + body, encoding="utf-8")
    source = ArchiveSource(url="https://example.org/x.tar.gz", sha256="a" * 64, size=1)
    recipe = Recipe(
        name="tool",
        homepage="https://example.org/",
        license="MIT",
        license_files=(),
        default_release="1",
        configure=Configure(),
        outputs=(),
        allowed_libraries={},
        releases={"1": Release(patches=("first.patch", "second.patch"), sources=Sources(archive=source))},
    )
    known = Project(
        platforms=load_platforms(RECIPES / "platforms.toml"),
        recipes={"tool": recipe},
        native=load_native(RECIPES / "native.toml", sources=NATIVE),
    )
    tree = SourceTree(path=upstream, provider=Provider.ARCHIVE, identity="sha256:aa", original=None)
    monkeypatch.setattr(refresh, "load_project", lambda: known)
    monkeypatch.setattr(refresh, "obtain_source", lambda *_: tree)
    monkeypatch.setattr(refresh, "PATCHES", patches)
    monkeypatch.setattr(refresh, "BUILD", tmp_path / "build")
    return patches


def test_an_edit_comes_back_under_the_old_header(project):
    tree = refresh.open_tree("tool", None, None, "auto")
    assert (tree / "file").read_text(encoding="utf-8") == "ONE\ntwo\n"
    (tree / "file").write_text("First\ntwo\n", encoding="utf-8")
    (tree / "new").write_text("added\n", encoding="utf-8")
    written = refresh.write_back("tool", None, None)
    text = written.read_text(encoding="utf-8")
    assert written == project / "first.patch"
    assert text.startswith(HEADER)
    assert "+First\n" in text
    assert "+added\n" in text


def test_a_later_patch_is_edited_on_top_of_the_earlier_ones(project):
    tree = refresh.open_tree("tool", None, "second.patch", "auto")
    assert (tree / "file").read_text(encoding="utf-8") == "ONE\nTWO\n"
    (tree / "file").write_text("ONE\nSecond\n", encoding="utf-8")
    text = refresh.write_back("tool", None, "second.patch").read_text(encoding="utf-8")
    assert "+Second\n" in text
    assert "+ONE\n" not in text


def test_writing_back_without_an_edit_keeps_what_the_patch_does(project):
    refresh.open_tree("tool", None, None, "auto")
    body = refresh.write_back("tool", None, None).read_text(encoding="utf-8")
    assert body.endswith("@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n")


def test_an_open_tree_is_not_overwritten(project):
    tree = refresh.open_tree("tool", None, None, "auto")
    with pytest.raises(PatchError, match=f"{tree} is already open"):
        refresh.open_tree("tool", None, None, "auto")


def test_a_tree_that_is_back_at_the_start_does_not_empty_the_patch(project):
    tree = refresh.open_tree("tool", None, None, "auto")
    (tree / "file").write_text("one\ntwo\n", encoding="utf-8")
    with pytest.raises(PatchError, match="has no changes"):
        refresh.write_back("tool", None, None)
    assert (project / "first.patch").read_text(encoding="utf-8") == HEADER + FIRST


def test_what_is_not_open_or_not_in_the_series_is_refused(project):
    with pytest.raises(PatchError, match="is not open"):
        refresh.write_back("tool", None, None)
    with pytest.raises(PatchError, match=r"no 'x\.patch' in the series"):
        refresh.open_tree("tool", None, "x.patch", "auto")
