"""What is swept away, and what is not."""

import fcntl
import os
import re
from pathlib import Path

import pytest

from shelltool.sandbox.placeholders import PLACEHOLDER_TIME, is_empty, sweep

GUARD = Path(__file__).parents[4] / "native" / "linux_sandbox_guard.h"


@pytest.fixture
def placeholder(tmp_path):
    path = tmp_path / ".git"
    path.mkdir()
    os.utime(path, (PLACEHOLDER_TIME, PLACEHOLDER_TIME))
    return path


def test_a_placeholder_that_nobody_holds_is_removed(placeholder):
    assert sweep([str(placeholder)]) == []
    assert not placeholder.exists()


def test_one_that_is_held_stays_and_is_reported(placeholder):
    fd = os.open(placeholder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        assert sweep([str(placeholder)], deadline_s=0.01) == [str(placeholder)]
        assert placeholder.is_dir()
    finally:
        os.close(fd)
    assert sweep([str(placeholder)]) == []


def test_a_folder_of_the_users_stays(placeholder):
    os.utime(placeholder)
    assert sweep([str(placeholder)]) == []
    assert placeholder.is_dir()


def test_a_folder_with_something_in_it_stays(placeholder):
    (placeholder / "config").touch()
    os.utime(placeholder, (PLACEHOLDER_TIME, PLACEHOLDER_TIME))
    assert sweep([str(placeholder)]) == []
    assert (placeholder / "config").exists()


def test_links_files_and_nothing_at_all_are_left_alone(tmp_path, placeholder):
    link, file = tmp_path / ".codex", tmp_path / ".agents"
    link.symlink_to(placeholder)
    file.touch()
    assert (
        sweep([str(link), str(file), str(tmp_path / "none"), str(tmp_path / "no/where"), str(file / "x")])
        == []
    )
    assert link.is_symlink()
    assert file.exists()
    assert placeholder.is_dir()


def test_being_empty_is_told_of_folders_only(tmp_path, placeholder):
    assert is_empty(str(placeholder))
    (placeholder / "x").touch()
    assert not is_empty(str(placeholder))
    assert not is_empty(str(placeholder / "x"))
    assert is_empty(str(tmp_path / "gone"))


def test_the_guard_marks_placeholders_with_the_same_time():
    found = re.search(r"#define PLACEHOLDER_TIME (\d+)", GUARD.read_text(encoding="utf-8"))
    assert found is not None
    assert int(found[1]) == PLACEHOLDER_TIME
