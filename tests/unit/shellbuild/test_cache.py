import os
import subprocess
import sys

import pytest

from shellbuild.cache import appearing_folder, cache_root, entry_lock, remove_tree
from shellbuild.errors import UsageError


def test_the_environment_names_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "c"))
    assert cache_root() == tmp_path / "c"
    assert (tmp_path / "c").is_dir()


def test_a_folder_appears_whole(tmp_path):
    entry = tmp_path / "entry"
    with appearing_folder(entry) as staging:
        (staging / "file").write_text("x", encoding="utf-8")
        assert not entry.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_folder_whose_making_fails_leaves_nothing_and_keeps_the_old_one(tmp_path, error):
    entry = tmp_path / "entry"
    entry.mkdir()
    (entry / "old").touch()
    with pytest.raises(error), appearing_folder(entry) as staging:
        (staging / "half").touch()
        raise error
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["entry", "entry/old"]


def test_a_lock_keeps_a_second_process_out_and_ends_with_its_owner(tmp_path):
    entry = tmp_path / "entry"
    program = (
        "import sys, pathlib; from shellbuild.cache import entry_lock\n"
        "with entry_lock(pathlib.Path(sys.argv[1])): print('got', flush=True); sys.stdin.read()"
    )
    start = [sys.executable, "-c", program, str(entry)]
    with entry_lock(entry):
        child = subprocess.Popen(
            start,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1)
    assert child.stdout is not None
    assert child.stdout.readline() == b"got\n"
    child.kill()
    child.communicate(timeout=10)
    with entry_lock(entry):
        pass


def test_a_tree_with_write_protected_folders_is_removed(tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    folder.chmod(0o500)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    remove_tree(tmp_path / "a")


def test_a_cache_folder_that_no_makefile_survives_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "a b"))
    with pytest.raises(UsageError, match="white space"):
        cache_root()
    assert not (tmp_path / "a b").exists()
