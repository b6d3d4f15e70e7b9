import gzip
import hashlib
import os
import subprocess
import tarfile
import time

import pytest

from shellbuild.tarball import EPOCH, Member, write_tarball

MEMBERS = [
    Member(name="top/bin/program", content=b"run me", mode=0o755),
    Member(name="top/b", content=b"text"),
    Member(name="top/link", link="b"),
    Member(name="top/old", content=b"", time=5),
]


def test_the_bytes_depend_on_the_members_alone(tmp_path, monkeypatch):
    first = write_tarball(tmp_path / "a.tar.gz", MEMBERS).read_bytes()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    before = os.umask(0o077)
    try:
        second = write_tarball(tmp_path / "elsewhere" / "b.tar.gz", reversed(MEMBERS)).read_bytes()
    finally:
        os.umask(before)
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()


def test_nothing_of_this_machine_is_in_an_archive(tmp_path):
    path = write_tarball(tmp_path / "a.tar.gz", MEMBERS)
    assert path.read_bytes()[4:8] == bytes(4)  # gzip's own time
    assert path.stat().st_mode & 0o777 == 0o644
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.gname) for one in members} == {(0, 0, "", "")}
    assert {one.name: one.mtime for one in members} == {
        "top": EPOCH,
        "top/b": EPOCH,
        "top/bin": EPOCH,
        "top/bin/program": EPOCH,
        "top/link": EPOCH,
        "top/old": 5,
    }


def test_tar_unpacks_what_was_packed(tmp_path):
    path = write_tarball(tmp_path / "a.tar.gz", MEMBERS)
    subprocess.run(["tar", "-xpzf", path, "-C", tmp_path], check=True, timeout=60)
    assert (tmp_path / "top/bin/program").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "top/link").read_bytes() == b"text"


def test_a_failure_leaves_no_archive(tmp_path):
    def broken():
        yield MEMBERS[0]
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        write_tarball(tmp_path / "a.tar.gz", broken())
    assert list(tmp_path.iterdir()) == []


def test_the_best_compression_is_used(tmp_path):
    text = b"a line that comes again\n" * 1000
    path = write_tarball(tmp_path / "a.tar.gz", [Member(name="a", content=text)])
    assert path.stat().st_size <= len(gzip.compress(text, 9)) + 200
