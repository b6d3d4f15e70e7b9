"""Folders: made, listed, walked, copied, removed and renamed, by every kind of file service."""

import asyncio
import contextlib
import errno
import os
import socket
import stat
import subprocess

import pytest

from integration.exec_server.files.subject import DEADLINE_S
from shelltool.exec_server.files import folders, walking

LIMITS = {"maxDepth": 64, "maxDirectories": 100, "maxEntries": 100, "followDirectorySymlinks": False}


def walked(subject, path, **options):
    result = subject("walk", path=path, options={**LIMITS, **options})
    prefix = subject.path() + "/"
    return [(entry.path.removeprefix(prefix), entry.kind) for entry in result.entries], result.truncated


def test_metadata_is_of_what_a_link_leads_to(subject):
    path = subject.put("f", b"12345678")
    os.symlink("f", subject.path("link"))
    os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    for name, is_link in (("f", False), ("link", True)):
        found = subject("getMetadata", path=subject.path(name))
        assert (found.is_file, found.is_directory, found.is_symlink) == (True, False, is_link)
        assert (found.size, found.modified_at_ms) == (8, 1_700_000_000_123)


def test_the_time_of_creation_is_the_kernels(subject):
    path = subject.put("f")
    os.utime(path, (0, 0))
    # coreutils ask for it in their own way; 0 where the file system does not keep it.
    told = subprocess.run(["stat", "-c", "%W", path], capture_output=True, check=True, timeout=DEADLINE_S)
    assert subject("getMetadata", path=path).created_at_ms // 1000 == int(told.stdout)


def test_times_before_1970_are_zero(subject):
    path = subject.put("f")
    os.utime(path, (-10, -10))
    assert subject("getMetadata", path=path).modified_at_ms == 0


def test_a_link_to_nothing_is_not_there_but_for_lstat(subject):
    os.symlink("nothing", subject.path("link"))
    assert subject.refused("getMetadata", path=subject.path("link")).code == -32004
    found = subject("lstat", path=subject.path("link"))
    assert (found.is_file, found.is_directory, found.is_symlink, found.size) == (False, False, True, 7)


def test_a_pipe_is_neither_file_nor_folder(subject):
    os.mkfifo(subject.path("fifo"))
    found = subject("getMetadata", path=subject.path("fifo"))
    assert (found.is_file, found.is_directory, found.is_symlink) == (False, False, False)


def test_links_are_read(subject):
    os.symlink(b"any\xfftext", os.fsencode(subject.path("link")))
    found = subject("readlink", path=subject.path("link"))
    assert (found.target, found.target_base64) == ("any\ufffdtext", b"any\xfftext")
    error = subject.refused("readlink", path=subject.put("f"))
    assert (error.code, error.data["errno"]) == (-32600, errno.EINVAL)


def test_paths_are_canonicalized(subject):
    subject.put("real/f")
    os.symlink("real", subject.path("link"))
    assert subject("canonicalize", path=subject.path("link", "f")).path == subject.path("real", "f")
    assert subject.refused("canonicalize", path=subject.path("no")).code == -32004


def test_folders_are_made_with_all_above_them(subject):
    subject("createDirectory", path=subject.path("a", "b", "c"))
    subject("createDirectory", path=subject.path("a", "b", "c"), recursive=None)
    assert subject.tree() == {"a", "a/b", "a/b/c"}


def test_one_folder_is_made_where_there_is_none(subject):
    assert subject.refused("createDirectory", path=subject.path("a", "b"), recursive=False).code == -32004
    subject("createDirectory", path=subject.path("a"), recursive=False)
    error = subject.refused("createDirectory", path=subject.path("a"), recursive=False)
    assert (error.code, error.message) == (-32603, "File exists (os error 17)")


def test_a_file_in_the_way_is_an_error(subject):
    path = subject.put("f")
    assert subject.refused("createDirectory", path=path).data["errno"] == errno.EEXIST
    assert subject.refused("createDirectory", path=path + "/sub").data["errno"] == errno.ENOTDIR


def test_a_listing_tells_what_links_lead_to(subject):
    subject.put("file")
    os.mkdir(subject.path("folder"))
    os.symlink("folder", subject.path("to folder"))
    os.symlink("nothing", subject.path("to nothing"))
    os.mkfifo(subject.path("fifo"))
    with open(os.fsencode(subject.path("")) + b"/\xfe", "wb"):
        pass
    found = {
        each.file_name: (each.is_directory, each.is_file, each.is_symlink)
        for each in subject("readDirectory", path=subject.path()).entries
    }
    assert found == {
        "file": (False, True, False),
        "folder": (True, False, False),
        "to folder": (True, False, True),
        "to nothing": (False, False, True),
        "fifo": (False, False, False),
        "\ufffd": (False, True, False),
    }


def test_a_folder_that_is_too_large_is_not_listed(subject, monkeypatch):
    monkeypatch.setattr(folders, "LISTING_LIMIT", 2)
    for name in "ab":
        subject.put(name)
    assert len(subject("readDirectory", path=subject.path()).entries) == 2
    subject.put("c")
    error = subject.refused("readDirectory", path=subject.path())
    assert (error.code, error.message) == (-32600, "more than 2 entries in one folder")


def test_only_folders_are_listed(subject):
    error = subject.refused("readDirectory", path=subject.put("f"))
    assert (error.code, error.message) == (-32603, "Not a directory (os error 20)")


def test_a_walk_goes_breadth_first_in_order(subject):
    for name in ("b/2/deep", "b/1", "a", ".h/x"):
        subject.put(name)
    os.mkfifo(subject.path("fifo"))
    os.symlink("a", subject.path("link to file"))
    os.symlink("b", subject.path("link to folder"))
    assert walked(subject, subject.path()) == (
        [
            (".h", "directory"),
            ("a", "file"),
            ("b", "directory"),
            (".h/x", "file"),
            ("b/1", "file"),
            ("b/2", "directory"),
            ("b/2/deep", "file"),
        ],
        False,
    )
    assert (".h/x", "file") not in walked(subject, subject.path(), pruneHiddenDirectories=True)[0]
    assert walked(subject, subject.path("a")) == ([], False)


def test_a_walk_that_follows_links_does_not_go_in_circles(subject):
    subject.put("a/f")
    os.symlink("..", subject.path("a", "up"))
    os.symlink("a", subject.path("b"))
    found, truncated = walked(subject, subject.path(), followDirectorySymlinks=True)
    assert (found, truncated) == (
        [("a", "directory"), ("b", "directory"), ("a/f", "file"), ("a/up", "directory")],
        False,
    )


def test_a_walk_has_limits(subject):
    for name in ("a/1/x", "b/1/x", "c"):
        subject.put(name)
    assert walked(subject, subject.path(), maxDepth=0)[0] == [
        ("a", "directory"),
        ("b", "directory"),
        ("c", "file"),
    ]
    assert walked(subject, subject.path(), maxDepth=0)[1] is False
    found, truncated = walked(subject, subject.path(), maxEntries=2)
    assert (len(found), truncated) == (2, True)
    found, truncated = walked(subject, subject.path(), maxDirectories=2)
    assert (("a/1", "directory") in found, ("b/1", "directory") in found, truncated) == (True, False, True)


def test_a_walk_gives_no_more_than_an_answer_may_hold(subject, monkeypatch):
    monkeypatch.setattr(walking, "RESPONSE_LIMIT", 3 * (walking.ITEM_OVERHEAD + len(subject.path("a"))))
    for name in "abcd":
        subject.put(name)
    found, truncated = walked(subject, subject.path())
    assert ([name for name, _ in found], truncated) == (["a", "b", "c"], True)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"maxEntries": 0}, "filesystem walk limits must be greater than zero"),
        (
            {"maxDepth": 65},
            "filesystem walk limits exceed maximums: depth=64, directories=10000, entries=50000",
        ),
    ],
)
def test_a_walk_without_limits_is_refused(subject, options, text):
    error = subject.refused("walk", path=subject.path(), options={**LIMITS, **options})
    assert (error.code, error.message) == (-32600, text)


def test_a_tree_is_removed_and_links_in_it_are_not_followed(subject, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept", encoding="utf-8")
    subject.put("tree/a/b/f")
    os.symlink(outside, subject.path("tree", "a", "link"))
    os.symlink(outside, subject.path("link"))
    subject("remove", path=subject.path("tree"))
    subject("remove", path=subject.path("link"))
    assert subject.tree() == set()
    assert (outside / "kept").exists()


def test_removing_takes_what_it_is_told(subject):
    subject.put("folder/f")
    error = subject.refused("remove", path=subject.path("folder"), recursive=False)
    assert (error.code, error.message) == (-32603, "Directory not empty (os error 39)")
    subject("remove", path=subject.path("no"))
    assert subject.refused("remove", path=subject.path("no"), force=False).code == -32004
    assert subject.refused("remove", path=subject.path("folder"), followSymlinks=False).code == -32600
    subject("remove", path=subject.path("folder", "f"), followSymlinks=False, recursive=False)
    subject("remove", path=subject.path("folder"), recursive=False)


def test_the_root_is_not_removed(subject):
    assert subject.refused("remove", path="/").data["errno"] == errno.EBUSY


@pytest.mark.parametrize("kind", ["local", "bubblewrap", "landlock"])
def test_a_path_that_ends_in_dots_is_not_removed(kind, subject_of):
    # A URI has no dots any more when it is sent.
    subject = subject_of(kind)
    for path in (subject.path() + "/..", subject.path() + "/."):
        assert subject.refused("remove", path=path).data["errno"] == errno.EINVAL
    assert subject.folder.is_dir()


def test_a_tree_that_is_too_deep_is_refused_and_not_followed_down(subject):
    folder = os.open(subject.path(), os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    for method, params in (
        ("copy", {"sourcePath": subject.path("d"), "destinationPath": subject.path("e"), "recursive": True}),
        ("remove", {"path": subject.path("d")}),
    ):
        assert subject.refused(method, **params).message == "more than 512 folders in each other"


def test_a_file_is_copied_with_its_mode(subject):
    path = subject.put("f", b"x" * 3_000_000)
    os.chmod(path, 0o751)  # noqa: S103
    subject("copy", sourcePath=path, destinationPath=subject.path("g"), recursive=False)
    assert (subject.folder / "g").read_bytes() == b"x" * 3_000_000
    assert stat.S_IMODE(os.stat(subject.path("g")).st_mode) == 0o751
    subject.put("h", b"longer" * 1_000_000)
    subject("copy", sourcePath=path, destinationPath=subject.path("h"), recursive=False)
    assert os.path.getsize(subject.path("h")) == 3_000_000
    assert stat.S_IMODE(os.stat(subject.path("h")).st_mode) == 0o751


@pytest.mark.parametrize("name", ["f", "hard", "soft"])
def test_a_file_is_never_copied_onto_itself(subject, name):
    path = subject.put("f", b"precious")
    os.link(path, subject.path("hard"))
    os.symlink("f", subject.path("soft"))
    error = subject.refused("copy", sourcePath=path, destinationPath=subject.path(name), recursive=False)
    assert (error.code, error.message) == (-32600, "fs/copy cannot copy a file onto itself")
    assert (subject.folder / "f").read_bytes() == b"precious"


def test_a_link_is_copied_as_a_link(subject):
    os.symlink("nowhere", subject.path("link"))
    subject("copy", sourcePath=subject.path("link"), destinationPath=subject.path("copy"), recursive=False)
    assert os.readlink(subject.path("copy")) == "nowhere"
    error = subject.refused(
        "copy", sourcePath=subject.path("link"), destinationPath=subject.path("copy"), recursive=False
    )
    assert error.data["errno"] == errno.EEXIST


def test_a_tree_is_merged_into_what_is_there(subject):
    subject.put("from/a/f", b"new")
    subject.put("from/g")
    os.symlink("a", subject.path("from", "link"))
    os.mkfifo(subject.path("from", "fifo"))
    subject.put("to/a/f", b"old")
    subject.put("to/kept")
    subject("copy", sourcePath=subject.path("from"), destinationPath=subject.path("to"), recursive=True)
    copied = {name for name in subject.tree() if name.startswith("to/")}
    assert copied == {"to/a", "to/a/f", "to/g", "to/link", "to/kept"}
    assert (subject.folder / "to/a/f").read_bytes() == b"new"


@pytest.mark.parametrize("destination", ["tree", "tree/sub", "tree/new/er", "link/new"])
def test_a_tree_is_never_copied_into_itself(subject, destination):
    subject.put("tree/sub/f")
    os.symlink("tree/sub", subject.path("link"))
    before = subject.tree()
    error = subject.refused(
        "copy", sourcePath=subject.path("tree"), destinationPath=subject.path(destination), recursive=True
    )
    text = "fs/copy cannot copy a directory to itself or one of its descendants"
    assert (error.code, error.message) == (-32600, text)
    assert subject.tree() == before


def test_a_copy_writes_through_no_link_in_the_destination(subject, tmp_path):
    outside = subject.put("outside/f", b"kept")
    subject.put("from/f", b"new")
    os.mkdir(subject.path("to"))
    os.symlink(outside, subject.path("to", "f"))
    error = subject.refused(
        "copy", sourcePath=subject.path("from"), destinationPath=subject.path("to"), recursive=True
    )
    assert error.data["errno"] == errno.ELOOP
    assert (subject.folder / "outside/f").read_bytes() == b"kept"


def test_folders_are_copied_when_asked_and_pipes_never(subject):
    os.mkdir(subject.path("folder"))
    os.mkfifo(subject.path("fifo"))
    to = {"destinationPath": subject.path("new"), "recursive": False}
    error = subject.refused("copy", sourcePath=subject.path("folder"), **to)
    assert error.message == "fs/copy requires recursive: true when sourcePath is a directory"
    error = subject.refused("copy", sourcePath=subject.path("fifo"), **to)
    assert error.message == "fs/copy only supports regular files, directories, and symlinks"


def test_files_are_renamed_over_others(subject):
    subject.put("a", b"a")
    subject.put("b", b"b")
    subject("rename", sourcePath=subject.path("a"), destinationPath=subject.path("b"))
    assert (subject.tree(), (subject.folder / "b").read_bytes()) == ({"b"}, b"a")
    assert (
        subject.refused("rename", sourcePath=subject.path("a"), destinationPath=subject.path("c")).code
        == -32004
    )


def test_what_comes_to_be_is_told_once(subject_of):
    subject = subject_of("local", watch_interval_s=0.01)
    told = asyncio.Event()
    subject.service._notify, listed = _setting(told, subject.notified)
    subject("watchMissing", watchId=6, missing=[subject.path("new")])
    assert subject("watchMissing", watchId=7, missing=[subject.path("new")]).watching
    subject.put("new")
    subject.runner.run(asyncio.wait_for(told.wait(), DEADLINE_S))
    assert [(method, params.watch_id) for method, params in listed] == [("fs/missingChanged", 7)]


def _setting(told, listed):
    async def notify(method, params):
        listed.append((method, params))
        told.set()

    return notify, listed


def test_a_socket_in_a_tree_is_left_out_of_a_copy(subject, tmp_path):
    os.mkdir(subject.path("from"))
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(subject.path("from")):
        listener.bind("s")
    subject("copy", sourcePath=subject.path("from"), destinationPath=subject.path("to"), recursive=True)
    assert subject.tree() == {"from", "from/s", "to"}
