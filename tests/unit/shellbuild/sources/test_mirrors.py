"""The machine's mirrors are read from its own apt settings, options included, and nothing else is."""

import platform
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.sources import mirrors as module
from shellbuild.sources.mirrors import (
    Mirror,
    machine_mirrors,
    parse_deb822,
    parse_one_line,
    this_distribution,
)

DEB822 = """\
# The archive.
Types: deb
URIs: http://one.invalid/debian
  mirror+file:/etc/apt/mirrors.txt
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Architectures: amd64
Signed-By: /usr/share/keyrings/one.gpg

Enabled: no
Types: deb
URIs: http://off.invalid/debian
Suites: bookworm
Components: main

Types: deb deb-src
URIs: https://two.invalid/ubuntu
Suites: noble
Components: universe main
Languages-Add: de
Trusted: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
"""

ONE_LINE = """\
# deb http://commented.invalid/debian bookworm main
deb http://one.invalid/debian bookworm main contrib  # the archive
deb-src [arch=amd64,arm64 signed-by=/k/a.gpg,/k/b.gpg trusted=yes] mirror+file:/etc/apt/m.txt noble universe main
deb cdrom:[Debian 12]/ bookworm main
deb http://flat.invalid/debian ./
"""


def test_deb822_files_are_read_with_their_options() -> None:
    first, second = list(parse_deb822(DEB822))
    assert first == (
        ["bookworm", "bookworm-updates"],
        Mirror(
            uris=("http://one.invalid/debian", "mirror+file:/etc/apt/mirrors.txt"),
            components=("main",),
            options={"Signed-By": "/usr/share/keyrings/one.gpg"},
        ),
    )
    assert second[0] == ["noble"]
    assert second[1].components == ("main", "universe")
    assert second[1].options["Signed-By"].splitlines()[2:4] == [" .", " mQINBF"]
    assert set(second[1].options) == {"Trusted", "Signed-By"}


def test_one_line_files_are_read_with_their_options() -> None:
    plain, full = list(parse_one_line(ONE_LINE))
    assert plain == (["bookworm"], Mirror(uris=("http://one.invalid/debian",), components=("main",)))
    assert full[1].uris == ("mirror+file:/etc/apt/m.txt",)
    assert full[1].options == {"Signed-By": "/k/a.gpg /k/b.gpg", "trusted": "yes"}


def test_an_entry_for_another_suite_asks_for_sources_alone() -> None:
    _, mirror = list(parse_one_line(ONE_LINE))[1]
    assert mirror.entry("plucky") == (
        "Types: deb-src\nURIs: mirror+file:/etc/apt/m.txt\nSuites: plucky\nComponents: main universe\n"
        "Targets: Sources\nSigned-By: /k/a.gpg /k/b.gpg\ntrusted: yes\n"
    )


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the machine's folder of source lists."""
    folder = tmp_path / "parts"
    folder.mkdir()
    shell = f"LIST='{tmp_path}/sources.list'\nPARTS='{folder}/'\n"
    monkeypatch.setattr(module, "capture", lambda _: shell)
    return folder


def test_only_archives_of_the_distribution_are_taken_and_each_once(tmp_path: Path, parts: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://one.invalid/debian bookworm main\n", encoding="utf-8")
    others = "deb-src http://one.invalid/debian bookworm main\ndeb http://vendor.invalid/x cloud-sdk-bookworm main\n"
    (parts / "more.list").write_text(others, encoding="utf-8")
    (parts / "vendor.sources").write_text(
        "Types: deb\nURIs: http://docker.invalid\nSuites: bookworm\nComponents: stable\n", encoding="utf-8"
    )
    (parts / "old.list.save").write_text("deb http://old.invalid bookworm main\n", encoding="utf-8")
    assert [mirror.uris for mirror in machine_mirrors(["bookworm"])] == [("http://one.invalid/debian",)]


def test_a_machine_that_follows_stable_by_that_name_is_understood(parts: Path) -> None:
    (parts / "d.list").write_text("deb http://one.invalid/debian stable main\n", encoding="utf-8")
    assert len(machine_mirrors(["bookworm"])) == 1


def test_a_machine_without_an_archive_of_its_own_is_told_so(parts: Path) -> None:
    (parts / "x.list").write_text("deb http://vendor.invalid nodistro main\n", encoding="utf-8")
    with pytest.raises(SourceError, match="apt on this machine names no archive with bookworm"):
        machine_mirrors(["bookworm"])


def test_a_derivative_is_known_by_what_it_is_like(monkeypatch: pytest.MonkeyPatch) -> None:
    release = {
        "ID": "linuxmint",
        "ID_LIKE": "ubuntu debian",
        "VERSION_CODENAME": "wilma",
        "UBUNTU_CODENAME": "noble",
    }
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    distribution = this_distribution()
    assert distribution.ids == ("linuxmint", "ubuntu", "debian")
    assert distribution.codenames == ("wilma", "noble")


def test_a_machine_without_os_release_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    with pytest.raises(SourceError, match="os-release"):
        this_distribution()
