"""Archives are unpacked whole or refused whole."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shellbuild.errors import SourceError
from shellbuild.sources import unpack as module
from shellbuild.sources.unpack import unpack
from unit.shellbuild.sources.web import Member, file, folder, hardlink, release, symlink, tar, tar_gz


def unpacked(tmp_path: Path, members: Sequence[Member]) -> Path:
    archive = tmp_path / "archive"
    archive.write_bytes(tar(members))
    unpack(archive, tmp_path / "out")
    return tmp_path / "out"


def refusal(tmp_path: Path, members: Sequence[Member]) -> str:
    """Give the reason for a refusal, having seen that it is one line and left nothing behind."""
    with pytest.raises(SourceError) as caught:
        unpacked(tmp_path, members)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_every_common_compression_is_read(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    (tmp_path / "archive").write_bytes(compress(tar([file("top/a/b", b"deep")])))
    unpack(tmp_path / "archive", tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b").read_bytes() == b"deep"


def test_the_one_top_level_folder_is_stripped(tmp_path: Path) -> None:
    out = unpacked(tmp_path, [folder("./top/"), file("./top/README"), folder("top/empty")])
    assert sorted(path.name for path in out.iterdir()) == ["README", "empty"]


def test_times_are_kept_and_owners_and_odd_modes_are_not(tmp_path: Path) -> None:
    out = unpacked(
        tmp_path,
        [
            folder("top"),
            folder("top/sub"),
            file("top/sub/tool", mode=0o6755, mtime=1_111_111_111),
            file("top/secret", mode=0o400),
            symlink("top/link", "secret"),
        ],
    )
    tool = (out / "sub" / "tool").stat()
    assert (stat.S_IMODE(tool.st_mode), tool.st_mtime) == (0o755, 1_111_111_111)
    assert stat.S_IMODE((out / "secret").stat().st_mode) == 0o644
    assert {(out / name).lstat().st_mtime for name in ("", "sub", "link")} == {1_000_000_000}
    assert (out / "secret").stat().st_uid == os.geteuid()


def test_times_out_of_this_world_are_brought_back(tmp_path: Path) -> None:
    out = unpacked(tmp_path, [file("top/future", mtime=9e11), file("top/past", mtime=-5)])
    assert (out / "future").stat().st_mtime <= time.time()
    assert (out / "past").stat().st_mtime == 0


def test_links_inside_the_tree_are_fine(tmp_path: Path) -> None:
    out = unpacked(
        tmp_path,
        [
            file("top/a/real"),
            symlink("top/b", "a/../a/real"),
            symlink("top/a/up", ".."),
            symlink("top/chain", "a/up/a/up/b"),
            symlink("top/dangling", "not/there"),
            hardlink("top/hard", "top/a/real"),
        ],
    )
    assert (out / "chain").read_bytes() == b"text\n"
    assert (out / "hard").stat().st_nlink == 1


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([file("/etc/passwd")], "absolute name '/etc/passwd'"),
        ([file("top/../../evil")], "a name with '..'"),
        ([file("top/a"), file("..")], "a name with '..'"),
        ([symlink("top/link", "/etc/passwd")], "outside of its tree"),
        ([symlink("top/link", "../outside")], "outside of its tree"),
        ([symlink("top/a/link", "../../outside")], "outside of its tree"),
        ([symlink("top/up", "."), symlink("top/link", "up/../x")], "outside of its tree"),
        (
            [folder("top/a/b"), symlink("top/c", "a/b"), symlink("top/d", "a/b/../../.."), file("top/e")],
            "outside of its tree",
        ),
        # Lexically `in/deep/../..` is the top; through the link it is two levels above it.
        ([symlink("top/in/deep", ".."), symlink("top/x", "in/deep/../y")], "outside of its tree"),
        ([symlink("top/x", "in/deep/../y"), symlink("top/in/deep", "..")], "outside of its tree"),
        ([symlink("top/a", "b"), symlink("top/b", "a")], "in a circle"),
        ([symlink("top/dir", "."), file("top/dir/file")], "file or link of its own"),
        ([file("top/file"), file("top/file/below")], "file or link of its own"),
        ([symlink("top", "elsewhere"), file("top/file")], "outside of a top-level folder"),
        ([symlink("top/name", "x"), file("top/name")], "names 'top/name' twice"),
        ([file("top/name"), file("top/./name")], "twice"),
        ([file("top/name"), folder("top/name")], "file or link of its own"),
        ([hardlink("top/hard", "/etc/passwd")], "absolute name"),
        ([hardlink("top/hard", "top/../../x")], "a name with '..'"),
        ([hardlink("top/hard", "top/later"), file("top/later")], "no earlier file"),
        ([symlink("top/s", "x"), hardlink("top/hard", "top/s")], "no earlier file"),
        ([Member(name="top/null", type=tarfile.CHRTYPE)], "special file"),
        ([Member(name="top/disk", type=tarfile.BLKTYPE)], "special file"),
        ([Member(name="top/pipe", type=tarfile.FIFOTYPE)], "special file"),
        ([Member(name="top/what", type=b"Z")], "special file"),
        ([file("README")], "outside of a top-level folder"),
        ([file("one/a"), file("two/b")], "two top-level folders, 'one' and 'two'"),
        ([], "holds no files"),
        ([file("top/" + "x" * 300)], "could not be unpacked"),
    ],
)
def test_a_bad_member_refuses_the_whole_archive(tmp_path: Path, members: list[Member], reason: str) -> None:
    assert reason in refusal(tmp_path, members)


def test_a_link_that_the_file_system_takes_elsewhere_than_the_archive_says_is_refused(tmp_path: Path) -> None:
    # Stands in for a file system that folds case, where a link may have been reached by another spelling.
    extraction = module._Extraction(root=tmp_path / "out")
    extraction.root.mkdir()
    (extraction.root / "link").symlink_to("..")
    extraction.links[("link",)] = "harmless"
    with pytest.raises(SourceError, match="outside of its tree"):
        module._check_link(("link",), extraction)


def test_a_decent_beginning_does_not_help_a_bad_end(tmp_path: Path) -> None:
    refusal(tmp_path, [folder("top"), file("top/README"), file("top/../../evil")])


def test_names_of_any_bytes_are_kept_and_reported_without_breaking_the_terminal(tmp_path: Path) -> None:
    name = b"top/caf\xe9\x1b".decode("utf-8", "surrogateescape")
    out = unpacked(tmp_path, [file(name)])
    assert [os.fsencode(path.name) for path in out.iterdir()] == [b"caf\xe9\x1b"]
    again = tmp_path / "again"
    again.mkdir()
    refusal(again, [file(name), file(name)]).encode("ascii")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    (tmp_path / "archive").write_bytes(tar_gz([file("top/zeros", bytes(2 << 20))]))
    with pytest.raises(SourceError, match="unpacks to more than 1 MiB"):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_giant_extended_header_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 34
    (tmp_path / "archive").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2 << 20)))
    with pytest.raises(SourceError, match="unpacks to more than 1 MiB"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_hard_links_count_as_what_they_are_copied_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    links = [hardlink(f"top/{index}", "top/big") for index in range(4)]
    assert "unpacks to more than" in refusal(tmp_path, [file("top/big", bytes(1 << 19)), *links])


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    assert "more than 3 members" in refusal(tmp_path, [file(f"top/{index}") for index in range(4)])


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-200], lambda data: data[: len(data) // 2], lambda _: b"?"]
)
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    noise = os.urandom(100_000)
    (tmp_path / "archive").write_bytes(
        damage(lzma.compress(tar([file("top/a", noise), file("top/b", noise)])))
    )
    with pytest.raises(SourceError, match="could not be unpacked"):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("top/sparse")
    info.type = tarfile.GNUTYPE_SPARSE
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(info)
    (tmp_path / "archive").write_bytes(sink.getvalue())
    with pytest.raises(SourceError):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_decent_release_archive_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(release())
    unpack(tmp_path / "archive", tmp_path / "out")
    assert os.access(tmp_path / "out" / "configure", os.X_OK)


_PARTS = st.sampled_from(["..", ".", "", "a", "b", "c", "top", "A"])
_NAMES = st.one_of(
    st.lists(_PARTS, min_size=1, max_size=5).map("/".join),
    st.lists(_PARTS, max_size=4).map(lambda parts: "/".join(["top", *parts])),
    st.text(max_size=12),
)
_TYPES = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)
_MEMBERS = st.builds(Member, name=_NAMES.map(lambda name: name.replace("\0", "")), type=_TYPES, link=_NAMES)


def reason_to_refuse(archive: Path, to: Path) -> str:
    try:
        unpack(archive, to)
    except SourceError as error:
        return str(error)
    return ""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(members=st.lists(_MEMBERS, max_size=6))
def test_no_archive_reaches_out_of_its_folder(
    tmp_path_factory: pytest.TempPathFactory, members: list[Member]
) -> None:
    outer = tmp_path_factory.mktemp("evil")
    (outer / "archive").write_bytes(tar(members))
    out = outer / "a" / "out"
    reason = reason_to_refuse(outer / "archive", out)
    if reason:
        assert not out.exists()
        assert "\n" not in reason
        return
    assert sorted(path.name for path in outer.iterdir()) == ["a", "archive"]
    assert [path.name for path in (outer / "a").iterdir()] == ["out"]
    for path in out.rglob("*"):
        assert path.is_symlink() or path.is_dir() or path.is_file()
        assert path.resolve().is_relative_to(out)
