import subprocess

import pytest

from shellbuild.errors import PatchError
from shellbuild.patching import apply_series, load_patch, series_digest
from shellbuild.project import PATCHES, load_project

HEADER = "Subject: change two\nWhy: a test\nUpstream: not sent\nTest: this one\n\n"
DIFF = """\
diff --git a/file b/file
--- a/file
+++ b/file
@@ -2,3 +2,3 @@ zero
 one
-two
+TWO
 three
"""


@pytest.fixture
def patch(tmp_path):
    path = tmp_path / "a.patch"
    path.write_text(HEADER + DIFF, encoding="utf-8")
    return path


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "file").write_text("zero\none\ntwo\nthree\nfour\n", encoding="utf-8")
    return folder


def test_a_patch_applies_to_its_context(patch, tree):
    apply_series([load_patch(patch)], tree)
    assert (tree / "file").read_text(encoding="utf-8") == "zero\none\nTWO\nthree\nfour\n"


def test_a_patch_applies_at_an_offset(patch, tree):
    (tree / "file").write_text("a\nb\nzero\none\ntwo\nthree\nfour\n", encoding="utf-8")
    apply_series([load_patch(patch)], tree)
    assert "TWO" in (tree / "file").read_text(encoding="utf-8")


def test_changed_context_is_refused_without_fuzz_and_nothing_is_changed(patch, tree):
    (tree / "file").write_text("zero\nOne\ntwo\nthree\nfour\n", encoding="utf-8")
    with pytest.raises(PatchError, match=r"a\.patch does not apply"):
        apply_series([load_patch(patch)], tree)
    assert (tree / "file").read_text(encoding="utf-8") == "zero\nOne\ntwo\nthree\nfour\n"


def test_a_tree_inside_a_repository_is_patched_too(patch, tree):
    subprocess.run(["git", "init", "--quiet", tree.parent], check=True)
    apply_series([load_patch(patch)], tree)
    assert "TWO" in (tree / "file").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["Subject", "Why", "Upstream", "Test"])
def test_a_header_without_an_answer_is_refused(patch, key):
    text = patch.read_text(encoding="utf-8")
    patch.write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith(key)), encoding="utf-8"
    )
    with pytest.raises(PatchError, match=f"lacks {key}"):
        load_patch(patch)


def test_a_file_without_a_diff_is_refused(tmp_path):
    (tmp_path / "x").write_text(HEADER, encoding="utf-8")
    with pytest.raises(PatchError, match="no `diff --git` line"):
        load_patch(tmp_path / "x")


def test_the_digest_is_of_the_diff_and_not_of_the_header(patch, tmp_path):
    other = tmp_path / "b.patch"
    other.write_text(HEADER.replace("a test", "better words") + DIFF, encoding="utf-8")
    assert load_patch(other).digest == load_patch(patch).digest
    other.write_text(HEADER + DIFF.replace("TWO", "Two"), encoding="utf-8")
    assert load_patch(other).digest != load_patch(patch).digest


def test_the_order_of_a_series_is_part_of_its_digest(patch, tmp_path):
    other = tmp_path / "b.patch"
    other.write_text(HEADER + DIFF.replace("TWO", "Two"), encoding="utf-8")
    first, second = load_patch(patch), load_patch(other)
    assert series_digest([first, second]) != series_digest([second, first])


def test_every_patch_of_the_project_has_a_header_and_a_release_that_uses_it():
    used = {
        patch
        for recipe in load_project().recipes.values()
        for release in recipe.releases.values()
        for patch in release.patches
    }
    assert {path.name for path in PATCHES.iterdir()} == used
    for name in used:
        load_patch(PATCHES / name)


@pytest.mark.parametrize("file", ["exec_wrapper.c", "exec_wrapper.h"])
def test_both_shells_are_given_the_same_code(file):
    bodies = set()
    for path in PATCHES.glob("*exec-wrapper.patch"):
        parts = load_patch(path).body.split("diff --git ")
        [added] = [part for part in parts if part.split("\n")[0].endswith("/" + file)]
        bodies.add(
            tuple(line for line in added.splitlines() if line.startswith("+") and not line.startswith("+++"))
        )
    assert len(bodies) == 1
