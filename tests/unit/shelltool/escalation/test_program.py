"""Which file an exec means, and whether the sandboxed side could have put it there."""

import os
from pathlib import Path

import pytest

from shelltool.escalation.program import REMEMBERED_PATHS, Reach, open_program, program_path


@pytest.mark.parametrize(
    ("file", "workdir", "program"),
    [
        ("/bin/ls", "/work", "/bin/ls"),
        ("./ls", "/work", "/work/ls"),
        ("a/./b", "/work", "/work/a/b"),
        ("a//b", "/work", "/work/a/b"),
        ("//bin/ls", "/work", "/bin/ls"),
        ("ls", "relative", "relative/ls"),
    ],
)
def test_a_program_is_named_from_the_root_on(file, workdir, program):
    assert program_path(file, workdir) == program


def test_a_parent_reference_leaves_what_a_link_leads_to(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    assert program_path("link/../prog", str(tmp_path)) == f"{os.path.realpath(tmp_path)}/deep/prog"


def test_a_path_that_no_kernel_takes_is_not_followed():
    assert program_path("/usr/../" * 500 + "bin/sh", "/") == os.path.realpath("/bin") + "/sh"
    longer = "/usr/../" * 512 + "bin/sh"
    assert program_path(longer, "/") == longer
    assert open_program(longer) is None


@pytest.mark.parametrize(
    ("make", "is_regular"), [(Path.touch, True), (Path.mkdir, False), (os.mkfifo, False)]
)
def test_what_is_opened_is_told_from_a_file_that_can_be_executed(tmp_path, make, is_regular):
    target = tmp_path / "target"
    make(target)
    opened = open_program(str(target))
    assert opened
    assert opened.is_regular() is is_regular
    opened.close()


@pytest.mark.parametrize("path", ["/no/such/file", "relative", "/with\0nul", "/" + "x" * 5000])
def test_what_is_no_path_is_not_opened(path):
    assert open_program(path) is None


def test_an_open_program_stays_what_it_was_when_its_name_changes(tmp_path):
    program = tmp_path / "prog"
    program.write_bytes(b"#!/bin/sh\n")
    opened = open_program(str(program))
    assert opened
    program.unlink()
    program.write_bytes(b"other")
    assert opened.is_script()
    opened.close()
    opened.close()


def reach_of(*writable):
    return Reach(lambda path: any(path.is_relative_to(folder) for folder in writable))


def test_a_file_out_of_reach_is_not_covered(tmp_path):
    (tmp_path / "prog").write_bytes(b"")
    assert not reach_of("/nowhere").covers(str(tmp_path / "prog"))


@pytest.mark.parametrize(
    "where", ["file", "link to it", "link to its folder", "link out of a writable folder"]
)
def test_one_writable_step_on_the_way_is_enough(tmp_path, where):
    writable, safe = tmp_path / "writable", tmp_path / "safe"
    writable.mkdir()
    safe.mkdir()
    (safe / "prog").write_bytes(b"")
    (writable / "prog").write_bytes(b"")
    (safe / "to-file").symlink_to(writable / "prog")
    (safe / "to-folder").symlink_to(writable)
    (writable / "out").symlink_to(safe)
    name = {
        "file": "writable/prog",
        "link to it": "safe/to-file",
        "link to its folder": "safe/to-folder/prog",
        "link out of a writable folder": "writable/out/prog",
    }[where]
    assert reach_of(writable).covers(str(tmp_path / name))


def test_a_writable_folder_that_a_parent_reference_leaves_is_such_a_step(tmp_path):
    (tmp_path / "writable" / "folder").mkdir(parents=True)
    (tmp_path / "prog").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "writable/folder/../../prog")
    reach = Reach(lambda path: path == tmp_path / "writable/folder")
    assert reach.covers(str(tmp_path / "writable/folder/../../prog"))
    assert reach.covers(str(tmp_path / "link"))
    assert not reach.covers(str(tmp_path / "writable/../prog"))


def test_links_without_end_are_taken_for_reachable(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert reach_of("/nowhere").covers(str(tmp_path / "a"))


def test_another_file_than_the_one_that_was_opened_is_taken_for_reachable(tmp_path):
    (tmp_path / "one").write_bytes(b"")
    (tmp_path / "two").write_bytes(b"")
    opened = open_program(str(tmp_path / "one"))
    assert opened
    try:
        assert reach_of("/nowhere").covers(str(tmp_path / "two"), opened)
    finally:
        opened.close()


def test_what_is_remembered_has_a_limit(tmp_path):
    reach = reach_of("/nowhere")
    for number in range(REMEMBERED_PATHS + 10):
        (tmp_path / f"{number}").touch()
        assert not reach.covers(str(tmp_path / f"{number}"))
    assert len(reach._out_of_reach) <= REMEMBERED_PATHS
