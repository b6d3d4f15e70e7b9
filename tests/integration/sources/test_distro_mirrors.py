"""The distribution's tarball, by the real apt-get from mirrors that the test makes in a folder or on loopback."""

import hashlib
import os
import platform
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.recipe import DistroSource
from shellbuild.sources.distro import fetch_from_distro
from unit.shellbuild.sources.web import Page, Web

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")

NOISE = os.urandom(300_000)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Archive:
    """A distribution's archive in a folder: suites, indexes, a pool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publish(self, suite: str, *versions: tuple[str, bytes]) -> None:
        """Make a suite hold these versions of a package; only the tarball of each lies in the pool."""
        pool = self.folder / "pool"
        pool.mkdir(parents=True, exist_ok=True)
        stanzas = []
        for version, tarball in versions:
            name = self.tarball(version)
            (pool / name).write_bytes(tarball)
            stanzas.append(
                self._stanza(version, {name: tarball, f"shell_{version}-1.dsc": b"not in the pool"})
            )
        index = self.folder / "dists" / suite / "main" / "source" / "Sources"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(stanzas), encoding="utf-8")
        content = index.read_bytes()
        (self.folder / "dists" / suite / "Release").write_text(
            f"Suite: {suite}\nCodename: {suite}\nComponents: main\n"
            "Date: Wed, 01 Jan 2020 00:00:00 UTC\nValid-Until: Thu, 02 Jan 2020 00:00:00 UTC\n"
            f"SHA256:\n {sha256(content)} {len(content)} main/source/Sources\n",
            encoding="utf-8",
        )

    def pin(self, version: str, tarball: bytes, *suites: str) -> DistroSource:
        return DistroSource(
            package="shell",
            tarball=self.tarball(version),
            sha256=sha256(tarball),
            size=len(tarball),
            suites={"testix": suites},
        )

    @staticmethod
    def tarball(version: str) -> str:
        return f"shell_{version}.orig.tar.gz"

    @staticmethod
    def _stanza(version: str, files: dict[str, bytes]) -> str:
        sums = "".join(f" {sha256(content)} {len(content)} {name}\n" for name, content in files.items())
        return (
            f"Package: shell\nBinary: shell\nVersion: {version}-1\nArchitecture: any\nFormat: 3.0 (quilt)\n"
            f"Directory: pool\nChecksums-Sha256:\n{sums}"
        )


UseMirrors = Callable[..., None]


@pytest.fixture
def use_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UseMirrors:
    """Make the machine's apt one with these source lines, on a distribution of the test's own."""
    parts = tmp_path / "machine" / "sources.list.d"
    parts.mkdir(parents=True)
    config = tmp_path / "machine" / "apt.conf"
    monkeypatch.setenv("APT_CONFIG", str(config))
    monkeypatch.setattr(
        platform, "freedesktop_os_release", lambda: {"ID": "testix", "VERSION_CODENAME": "home"}
    )

    def use(*lines: str, settings: str = "") -> None:
        (parts / "machine.list").write_text("\n".join(lines) + "\n", encoding="utf-8")
        # Without the settings of the machine that the tests run on.
        lists = f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{parts}";\nDir::Etc::parts "/dev/null";\n'
        config.write_text(lists + 'Acquire::Retries::Delay "false";\n' + settings, encoding="utf-8")

    return use


@pytest.fixture
def archive(tmp_path: Path, use_mirrors: UseMirrors) -> Archive:
    folder = tmp_path / "archive"
    use_mirrors(f"deb [trusted=yes] file:{folder} home main")
    return Archive(folder)


def put_on_the_web(archive: Archive, web: Web) -> None:
    for path in archive.folder.rglob("*"):
        if path.is_file():
            web.pages[f"/{path.relative_to(archive.folder)}"] = Page(content=path.read_bytes())


def leftovers(cache: Path) -> list[str]:
    """List what lies among the downloads beside locks, folders included."""
    entries = (cache / "sources" / "downloads").rglob("*")
    return [entry.name for entry in entries if entry.suffix != ".lock"]


def refusal(source: DistroSource) -> str:
    with pytest.raises(SourceError) as caught:
        fetch_from_distro(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def updates(capsys: pytest.CaptureFixture[str]) -> int:
    """Count how often lists were refreshed since the last time."""
    return capsys.readouterr().err.count("apt.conf update")


def test_the_version_that_holds_the_pinned_tarball_is_taken(archive: Archive, cache: Path) -> None:
    archive.publish("home", ("1.0", b"old"), ("1.1", b"pinned"), ("1.2", b"new"))
    source = archive.pin("1.1", b"pinned")
    assert fetch_from_distro(source).read_bytes() == b"pinned"
    assert leftovers(cache) == [source.sha256]


def test_what_is_in_the_cache_needs_no_mirror(archive: Archive) -> None:
    archive.publish("home", ("1.1", b"pinned"))
    source = archive.pin("1.1", b"pinned")
    fetch_from_distro(source)
    shutil.rmtree(archive.folder)
    assert fetch_from_distro(source).read_bytes() == b"pinned"


def test_other_suites_are_asked_after_the_machines_own(archive: Archive) -> None:
    archive.publish("home", ("1.0", b"old"))
    archive.publish("next", ("2.0", b"pinned"))
    source = archive.pin("2.0", b"pinned", "absent", "next")
    assert fetch_from_distro(source).read_bytes() == b"pinned"


@pytest.mark.parametrize("present", [[], ["home", "absent"]], ids=["absent", "without the version"])
def test_a_web_mirror_whose_first_suites_do_not_help_is_asked_for_the_next(
    archive: Archive, use_mirrors: UseMirrors, web: Web, present: list[str]
) -> None:
    for suite in present:
        archive.publish(suite, ("1.0", b"old"))
    archive.publish("next", ("2.0", b"pinned"))
    put_on_the_web(archive, web)
    use_mirrors(
        f"deb [trusted=yes] {web.url('')} home main", "deb [trusted=yes] http://127.0.0.2:1/vendor home main"
    )
    assert fetch_from_distro(archive.pin("2.0", b"pinned", "absent", "next")).read_bytes() == b"pinned"


def test_a_version_with_the_name_but_not_the_digest_is_not_taken(archive: Archive, cache: Path) -> None:
    archive.publish("home", ("1.0", b"repacked"))
    reason = refusal(archive.pin("1.0", b"upstream"))
    assert reason == "shell_1.0.orig.tar.gz is in no suite (home: other versions only)"
    assert leftovers(cache) == []


def test_a_suite_that_the_mirror_lacks_is_named(archive: Archive) -> None:
    archive.publish("home")
    assert "absent: Failed to fetch" in refusal(archive.pin("1.0", b"x", "absent"))


def test_a_mirror_that_serves_other_bytes_is_refused_and_nothing_stays(archive: Archive, cache: Path) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    (archive.folder / "pool" / archive.tarball("1.0")).write_bytes(b"forged")
    refusal(archive.pin("1.0", b"pinned"))
    assert leftovers(cache) == []


def test_a_web_mirror_that_serves_other_bytes_is_refused_and_nothing_stays(
    archive: Archive, use_mirrors: UseMirrors, web: Web, cache: Path
) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    (archive.folder / "pool" / archive.tarball("1.0")).write_bytes(b"forged")
    put_on_the_web(archive, web)
    use_mirrors(f"deb [trusted=yes] {web.url('')} home main")
    refusal(archive.pin("1.0", b"pinned"))
    assert leftovers(cache) == []


def test_lists_of_today_are_used_as_they_are_and_old_ones_are_refreshed(
    archive: Archive, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.publish("home", ("1.0", b"one"), ("1.1", b"two"), ("1.2", b"three"))
    fetch_from_distro(archive.pin("1.0", b"one"))
    assert updates(capsys) == 1
    fetch_from_distro(archive.pin("1.1", b"two"))
    assert updates(capsys) == 0
    (stamp,) = (cache / "sources" / "apt").glob("*/updated")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(stamp, (two_days_ago, two_days_ago))
    fetch_from_distro(archive.pin("1.2", b"three"))
    assert updates(capsys) == 1


def test_a_refresh_that_fails_does_not_make_old_lists_young(
    archive: Archive, use_mirrors: UseMirrors, web: Web, cache: Path
) -> None:
    archive.publish("home", ("1.0", b"one"))
    put_on_the_web(archive, web)
    use_mirrors(f"deb [trusted=yes] {web.url('')} home main")
    fetch_from_distro(archive.pin("1.0", b"one"))
    (stamp,) = (cache / "sources" / "apt").glob("*/updated")
    two_days_ago = int(time.time()) - 2 * 24 * 3600
    os.utime(stamp, (two_days_ago, two_days_ago))
    web.pages.clear()
    refusal(archive.pin("1.1", b"two"))
    assert stamp.stat().st_mtime == two_days_ago


def test_lists_without_the_pinned_version_are_refreshed_at_once(archive: Archive) -> None:
    archive.publish("home", ("1.0", b"one"))
    fetch_from_distro(archive.pin("1.0", b"one"))
    archive.publish("home", ("1.1", b"two"))
    assert fetch_from_distro(archive.pin("1.1", b"two")).read_bytes() == b"two"


def test_a_version_that_has_moved_on_from_a_suite_is_found_in_the_next(archive: Archive) -> None:
    archive.publish("home", ("1.0", b"one"), ("1.1", b"two"))
    fetch_from_distro(archive.pin("1.0", b"one"))
    archive.publish("home", ("1.2", b"three"))
    (archive.folder / "pool" / archive.tarball("1.1")).unlink()
    assert "shell_1.1.orig.tar.gz is in no suite" in refusal(archive.pin("1.1", b"two"))


def test_broken_entries_of_other_vendors_are_no_obstacle(archive: Archive, use_mirrors: UseMirrors) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    use_mirrors(
        f"deb [trusted=yes] file:{archive.folder}/vendor home main",
        "deb [trusted=yes] http://127.0.0.1:1/vendor home main",
        f"deb [trusted=yes] file:{archive.folder} home main",
        "deb https://vendor.invalid/apt nodistro main",
    )
    assert fetch_from_distro(archive.pin("1.0", b"pinned")).read_bytes() == b"pinned"


def test_a_list_of_mirrors_is_passed_through(
    archive: Archive, use_mirrors: UseMirrors, tmp_path: Path
) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    (tmp_path / "mirrors.txt").write_text(f"file:{archive.folder}\n", encoding="utf-8")
    use_mirrors(f"deb [trusted=yes] mirror+file:{tmp_path}/mirrors.txt home main")
    assert fetch_from_distro(archive.pin("1.0", b"pinned")).read_bytes() == b"pinned"


def test_an_unsigned_mirror_that_the_machine_does_not_trust_is_not_trusted(
    archive: Archive, use_mirrors: UseMirrors
) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    use_mirrors(f"deb file:{archive.folder} home main")
    assert "is not signed" in refusal(archive.pin("1.0", b"pinned"))


def test_the_machines_hooks_do_not_run_and_its_files_stay_as_they_are(
    archive: Archive, use_mirrors: UseMirrors, tmp_path: Path
) -> None:
    archive.publish("home", ("1.0", b"pinned"))
    marker = tmp_path / "hook-ran"
    hooks = "".join(
        f'APT::Update::{name} {{ "touch {marker}"; }};\n'
        for name in ("Pre-Invoke", "Post-Invoke", "Post-Invoke-Success")
    )
    use_mirrors(f"deb [trusted=yes] file:{archive.folder} home main", settings=hooks)
    system = [Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives"), Path("/etc/apt")]
    before = [path.stat().st_mtime_ns for path in system if path.exists()]
    fetch_from_distro(archive.pin("1.0", b"pinned"))
    assert not marker.exists()
    assert before == [path.stat().st_mtime_ns for path in system if path.exists()]


def test_a_machine_without_apt_is_told_so(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(archive.pin("1.0", b"x")) == "this machine has no apt-get"


def test_mirrors_out_of_reach_are_asked_once_and_not_for_every_suite(
    archive: Archive, use_mirrors: UseMirrors, capsys: pytest.CaptureFixture[str]
) -> None:
    use_mirrors("deb [trusted=yes] http://127.0.0.1:1/debian home main")
    assert "connect" in refusal(archive.pin("1.0", b"x", "next", "later"))
    assert updates(capsys) == 1


def test_a_download_that_breaks_off_is_continued_by_the_next_run_that_reaches_the_mirror(
    archive: Archive, use_mirrors: UseMirrors, web: Web, deaf_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.publish("home", ("1.0", NOISE))
    put_on_the_web(archive, web)
    use_mirrors(f"deb [trusted=yes] {web.url('')} home main", settings='Acquire::http::Pipeline-Depth "0";\n')
    pool = "/pool/" + archive.tarball("1.0")
    web.pages[pool].break_after = [100_000] * 2
    source = archive.pin("1.0", NOISE)
    refusal(source)
    with monkeypatch.context() as out_of_reach:
        out_of_reach.setenv("http_proxy", f"http://127.0.0.1:{deaf_port}")
        refusal(source)
    web.requests.clear()
    assert fetch_from_distro(source).read_bytes() == NOISE
    assert [wanted for path, wanted in web.requests if path == pool] == ["bytes=200000-"]
