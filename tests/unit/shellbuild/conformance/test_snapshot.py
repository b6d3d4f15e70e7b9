import os

import pytest

from shellbuild.conformance.snapshot import restore, take_snapshot


@pytest.fixture
def folder(tmp_path):
    tree = tmp_path / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "file").write_text("text", encoding="utf-8")
    (tree / "deep" / "er" / "leaf").write_text("leaf", encoding="utf-8")
    (tree / "link").symlink_to("file")
    return tree


def describe(tree):
    found = {}
    for path in sorted(tree.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(tree))] = (
            status.st_mode,
            None if path.is_dir() else status.st_mtime_ns,
            content,
        )
    return found


def overwrite_keeping_the_time(tree):
    status = (tree / "file").stat()
    (tree / "file").unlink()
    (tree / "file").write_text("gone", encoding="utf-8")
    os.utime(tree / "file", ns=(status.st_atime_ns, status.st_mtime_ns))


def swap_a_folder_for_a_file(tree):
    (tree / "deep" / "er" / "leaf").unlink()
    (tree / "deep" / "er").rmdir()
    (tree / "deep" / "er").write_text("now a file", encoding="utf-8")


def swap_a_file_for_a_folder(tree):
    (tree / "file").unlink()
    (tree / "file" / "in").mkdir(parents=True)


def litter(tree):
    (tree / "new" / "deeper").mkdir(parents=True)
    (tree / "new" / "deeper" / "file").touch()
    os.mkfifo(tree / "deep" / "fifo")
    (tree / "new").chmod(0o500)


CHANGES = {
    "a new file": lambda tree: (tree / "new").touch(),
    "new folders, one write-protected": litter,
    "a changed file": lambda tree: (tree / "file").write_text("other", encoding="utf-8"),
    "a changed file of the same size and time": overwrite_keeping_the_time,
    "a removed file": lambda tree: (tree / "file").unlink(),
    "a changed mode": lambda tree: (tree / "file").chmod(0o000),
    "a folder's changed mode": lambda tree: (tree / "deep").chmod(0o700),
    "a changed time": lambda tree: os.utime(tree / "file", (1, 1)),
    "a link that points elsewhere": lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("/")),
    "a folder where a file was": swap_a_file_for_a_folder,
    "a file where a folder was": swap_a_folder_for_a_file,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_is_put_back_after(folder, tmp_path, change):
    snapshot = take_snapshot(folder, tmp_path / "pristine")
    before = describe(folder)
    for _ in range(2):
        CHANGES[change](folder)
        restore(snapshot)
        assert describe(folder) == before


def test_what_did_not_change_is_not_copied_again(folder, tmp_path):
    snapshot = take_snapshot(folder, tmp_path / "pristine")
    inode = (folder / "file").stat().st_ino
    (folder / "new").touch()
    restore(snapshot)
    assert (folder / "file").stat().st_ino == inode
