"""The last release's manifest, from a file or from npm, which is a stand-in here."""

import io
import json
import tarfile

import pytest

from shellbuild.errors import ReleaseError
from shellbuild.manifest import make_manifest
from shellbuild.report.previous import NOTHING_EARLIER, fetch_previous, last_release, read_previous
from unit.shellbuild.report.test_changes import file

MANIFEST = make_manifest("1.2.3", [])
FORMER = make_manifest("1.2.2", [file("bash")]).text()


def tarball(path, text):
    data = text.encode()
    info = tarfile.TarInfo("package/vendor/manifest.json")
    info.size = len(data)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(data))
    return path


def test_a_manifest_and_a_tarball_with_one_are_read(tmp_path):
    (tmp_path / "manifest.json").write_text(MANIFEST.text(), encoding="utf-8")
    assert read_previous(tmp_path / "manifest.json") == MANIFEST
    assert read_previous(tarball(tmp_path / "package.tgz", MANIFEST.text())) == MANIFEST


@pytest.mark.parametrize("name", ["other.json", "other.tgz", "none.json", "none.tgz"])
def test_something_else_is_refused(tmp_path, name):
    if name.startswith("other"):
        (tmp_path / name).write_text(json.dumps({"files": []}), encoding="utf-8")
    with pytest.raises(ReleaseError, match="neither a manifest nor an npm tarball"):
        read_previous(tmp_path / name)


def fake_npm(tmp_path, monkeypatch, script):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")


def test_the_published_package_is_asked_for_by_its_dist_tag(tmp_path, monkeypatch):
    packed = tarball(tmp_path / "packed.tgz", MANIFEST.text())
    fake_npm(tmp_path, monkeypatch, f'test "$2" = codex-shell-tool-mcp@alpha && cp {packed} "$5"/x.tgz')
    assert fetch_previous("alpha") == MANIFEST


def test_before_the_first_release_there_is_nothing_to_compare_with(tmp_path, monkeypatch, capfd):
    fake_npm(tmp_path, monkeypatch, "echo E404 >&2; exit 1")
    assert fetch_previous("latest") is None
    assert "no earlier release to compare with" in capfd.readouterr().err


@pytest.mark.parametrize("code", ["E404", "ETARGET"])
def test_what_npm_does_not_know_has_never_been_released(tmp_path, monkeypatch, code):
    fake_npm(tmp_path, monkeypatch, f"echo npm error code {code} >&2; exit 1")
    assert last_release("latest") == (None, NOTHING_EARLIER)


def test_a_failure_of_npm_is_not_taken_for_no_release_and_stops_nothing(tmp_path, monkeypatch, capfd):
    fake_npm(tmp_path, monkeypatch, "echo npm error code ECONNREFUSED >&2; exit 1")
    last, reason = last_release("latest")
    assert (last, reason) == (None, "The comparison with what npm has as latest could not be made.")
    said = capfd.readouterr().err
    assert "ECONNREFUSED" in said
    assert reason in said
    assert "no earlier release" not in said


@pytest.mark.parametrize(
    "text", ['{"schema": 2, "version": "9.0.0", "files": []}', FORMER.replace('"bash"', '"codex-gone"')]
)
def test_a_manifest_of_another_format_stops_nothing(tmp_path, monkeypatch, capfd, text):
    packed = tarball(tmp_path / "packed.tgz", text)
    fake_npm(tmp_path, monkeypatch, f'cp {packed} "$5"/x.tgz')
    assert last_release("latest")[0] is None
    assert "could not be made" in capfd.readouterr().err
