import subprocess

import pytest

from shellbuild.checksums import check_checksums, write_checksums
from shellbuild.errors import ReleaseError


@pytest.fixture
def dist(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(b"b")
    (tmp_path / "a.whl").write_bytes(b"a")
    write_checksums(tmp_path)
    return tmp_path


def test_sha256sum_accepts_the_file(dist):
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, check=True, timeout=60)
    assert [
        line.split("  ")[1] for line in (dist / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    ] == [
        "a.whl",
        "b.tar.gz",
    ]
    check_checksums(dist)


def test_all_that_differs_is_named(dist):
    (dist / "a.whl").write_bytes(b"A")
    (dist / "b.tar.gz").unlink()
    (dist / "c").write_bytes(b"")
    with pytest.raises(ReleaseError) as caught:
        check_checksums(dist)
    assert str(caught.value).splitlines()[1:] == [
        "b.tar.gz: is missing",
        "c: is not listed",
        "a.whl: has another sha256",
    ]


def test_an_empty_folder_has_no_sums(tmp_path):
    with pytest.raises(ReleaseError, match="nox -s archives"):
        write_checksums(tmp_path)
