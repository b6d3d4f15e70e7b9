"""Trees in the cache are whole, proven before each use, and copied for work."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.sources.tree import Provider, SourceTree, cached_tree, copy_tree, make_tree
from unit.shellbuild.sources.conftest import data_files

TIME = 1_000_000_000


def fill(to: Path) -> None:
    (to / "sub").mkdir(parents=True)
    (to / "configure").write_text("#!/bin/sh\n", encoding="utf-8")
    (to / "configure").chmod(0o755)
    (to / "sub" / "a.c").write_text("int a;\n", encoding="utf-8")
    (to / "link").symlink_to("sub/a.c")
    for path in (to / "configure", to / "sub" / "a.c"):
        os.utime(path, (TIME, TIME))


def must_not_fill(_: Path) -> None:
    raise AssertionError("the cache was not used")


def as_source(path: Path) -> SourceTree:
    return SourceTree(path=path, provider=Provider.GIT, identity="git:0", original=None)


def test_a_tree_is_made_once() -> None:
    assert cached_tree("x") is None
    path = make_tree("x", fill)
    assert make_tree("x", must_not_fill) == path == cached_tree("x")


def test_a_tree_that_could_not_be_filled_leaves_nothing(cache: Path) -> None:
    def half(to: Path) -> None:
        fill(to)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_tree("x", half)
    assert data_files(cache) == []
    assert cached_tree("x") is None


def _edit(tree: Path) -> None:
    (tree / "sub" / "a.c").write_text("int b;\n", encoding="utf-8")
    os.utime(tree / "sub" / "a.c", (TIME, TIME))


def _redirect(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("configure")


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": _edit,
    "touched": lambda tree: os.utime(tree / "configure", (TIME + 1, TIME + 1)),
    "made executable": lambda tree: (tree / "sub" / "a.c").chmod(0o755),
    "added to": lambda tree: (tree / "sub" / "a.o").touch(),
    "added an empty folder to": lambda tree: (tree / "new").mkdir(),
    "removed from": lambda tree: (tree / "configure").unlink(),
    "link redirected": _redirect,
    "seal lost": lambda tree: (tree.parent / "seal").unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_tree_that_was_changed_in_the_cache_is_made_anew(change: Callable[[Path], object]) -> None:
    change(make_tree("x", fill))
    assert cached_tree("x") is None
    path = make_tree("x", fill)
    assert (path / "sub" / "a.c").read_text(encoding="utf-8") == "int a;\n"


def test_a_copy_is_writable_and_keeps_times_modes_and_links(tmp_path: Path) -> None:
    tree = as_source(make_tree("x", fill))
    copy = tmp_path / "deep" / "work"
    copy_tree(tree, copy)
    assert (copy / "sub" / "a.c").stat().st_mtime == TIME
    assert os.access(copy / "configure", os.X_OK)
    assert (copy / "link").readlink() == Path("sub/a.c")
    (copy / "sub" / "a.c").write_text("patched\n", encoding="utf-8")
    assert cached_tree("x") == tree.path


def test_an_empty_folder_is_filled_and_a_used_one_is_not(tmp_path: Path) -> None:
    tree = as_source(make_tree("x", fill))
    (tmp_path / "empty").mkdir()
    copy_tree(tree, tmp_path / "empty")
    with pytest.raises(SourceError, match="is in the way"):
        copy_tree(tree, tmp_path / "empty")
    (tmp_path / "aside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="is in the way"):
        copy_tree(tree, tmp_path / "aside")


def test_a_copy_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    tree = as_source(tmp_path / "tree")
    fill(tree.path)
    os.mkfifo(tree.path / "pipe")
    with pytest.raises(SourceError, match="could not be copied"):
        copy_tree(tree, tmp_path / "work")
    assert not (tmp_path / "work").exists()
