import os

import pytest

from shellbuild.whole_files import appearing_files, write_whole


def test_a_file_has_its_mode_under_any_umask_and_leaves_nothing_beside_it(tmp_path):
    before = os.umask(0o077)
    try:
        assert write_whole(tmp_path / "report", "text") == tmp_path / "report"
    finally:
        os.umask(before)
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_file_that_can_not_be_written_leaves_the_one_that_was_there(tmp_path):
    write_whole(tmp_path / "sums", "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "sums", "half\ud800")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["before"]


def test_files_appear_together_when_all_are_good(tmp_path):
    with appearing_files(tmp_path / "dist") as staging:
        for name in ("a", "b"):
            (staging / name).write_text(name, encoding="utf-8")
        assert not (tmp_path / "dist/a").exists()
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == ["a", "b"]


def test_none_appears_when_one_is_refused_and_what_was_there_stays(tmp_path):
    (tmp_path / "a").write_text("before", encoding="utf-8")
    with pytest.raises(ValueError, match="too large"), appearing_files(tmp_path) as staging:
        (staging / "a").write_text("after", encoding="utf-8")
        raise ValueError("too large")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["before"]
