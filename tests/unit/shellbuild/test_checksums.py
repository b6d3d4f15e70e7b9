import subprocess

import pytest

from shellbuild.checksums import check_checksums, write_checksums
from shellbuild.errors import ReleaseError
from shellbuild.release_plan import plan_release


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


def test_what_a_release_does_not_have_gets_no_sum(tmp_path):
    plan = plan_release("codex-bash-v5.3.1")
    (tmp_path / plan.files()["archives"][0]).write_bytes(b"planned")
    write_checksums(tmp_path, plan=plan)
    for name in ("notes.txt", "codex-bash-5.3.0-source.tar.gz"):
        (tmp_path / name).write_bytes(b"stray")
    before = (tmp_path / "SHA256SUMS").read_bytes()
    with pytest.raises(
        ReleaseError, match=r"holds codex-bash-5\.3\.0-source\.tar\.gz, notes\.txt, which codex-"
    ):
        write_checksums(tmp_path, plan=plan)
    assert (tmp_path / "SHA256SUMS").read_bytes() == before
