"""Released files are measured within limits, and only over a safe way."""

import hashlib

import pytest
from blake3 import blake3

from shellbuild import release_files
from shellbuild.errors import ReleaseError
from shellbuild.release_files import Digest, Measured, measure_file, measure_released
from unit.shellbuild.sources.web import web_server

DATA = b"bytes of an archive" * 10_000


@pytest.fixture
def web():
    with web_server() as server:
        yield server


@pytest.mark.parametrize(("digest", "of"), [(Digest.SHA256, hashlib.sha256), (Digest.BLAKE3, blake3)])
def test_a_file_and_what_a_server_has_of_it_measure_the_same(web, tmp_path, digest, of):
    (tmp_path / "file").write_bytes(DATA)
    web.serve("/file", DATA)
    expected = Measured(size=len(DATA), digest=of(DATA).hexdigest())
    assert measure_file(tmp_path / "file", digest) == expected
    assert measure_released(web.url("/file"), digest) == expected


def test_a_redirect_is_followed(web):
    web.serve("/file", DATA)
    web.serve("/moved", b"", status=302, location=web.url("/file"))
    assert measure_released(web.url("/moved"), Digest.SHA256).size == len(DATA)


def test_a_redirect_to_a_plain_server_elsewhere_is_refused(web, monkeypatch):
    web.serve("/file", DATA)
    web.serve("/moved", b"", status=302, location=web.url("/file"))
    safe = web.url("/moved")
    monkeypatch.setattr(release_files, "LOOPBACK", frozenset())
    with pytest.raises(ReleaseError, match="releases are on https"):
        measure_released(safe, Digest.SHA256)


@pytest.mark.parametrize(
    "url", ["http://example.invalid/file", "file:///etc/passwd", "ftp://127.0.0.1/x", ""]
)
def test_other_ways_than_https_are_refused(url):
    with pytest.raises(ReleaseError, match="releases are on https"):
        measure_released(url, Digest.SHA256)


def test_what_is_not_there_is_an_error(web):
    with pytest.raises(ReleaseError, match="can't be had"):
        measure_released(web.url("/nothing"), Digest.SHA256)


def test_an_answer_that_breaks_off_is_an_error(web):
    web.serve("/file", DATA, break_after=[100])
    with pytest.raises(ReleaseError, match="can't be had"):
        measure_released(web.url("/file"), Digest.SHA256)


def test_an_answer_without_end_stops_at_the_limit(web, monkeypatch):
    monkeypatch.setattr(release_files, "LARGEST_BYTES", 1000)
    web.serve("/file", DATA, chunked=True)
    with pytest.raises(ReleaseError, match="larger than"):
        measure_released(web.url("/file"), Digest.SHA256)


def test_a_dripping_answer_ends_at_the_deadline(web, monkeypatch):
    monkeypatch.setattr(release_files, "DOWNLOAD_DEADLINE_S", -1)
    web.serve("/file", DATA)
    with pytest.raises(ReleaseError, match="took longer than"):
        measure_released(web.url("/file"), Digest.SHA256)
