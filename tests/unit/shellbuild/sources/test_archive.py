"""Downloads are continued, bounded and proven."""

import socket
import threading
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.recipe import ArchiveSource
from shellbuild.sources import archive as module
from shellbuild.sources import reach
from shellbuild.sources.archive import fetch_archive
from shellbuild.sources.store import part_file
from unit.shellbuild.sources.conftest import data_files
from unit.shellbuild.sources.web import WAIT_S, Page, Web

CONTENT = bytes(range(256)) * 1_000


def refusal(source: ArchiveSource) -> str:
    with pytest.raises(SourceError) as caught:
        fetch_archive(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def keep_part(source: ArchiveSource, content: bytes) -> None:
    part = part_file(source.sha256)
    part.parent.mkdir(parents=True)
    part.write_bytes(content)


def test_an_archive_arrives_once_and_is_taken_from_the_cache_afterwards(web: Web) -> None:
    source = web.serve("/a.tar.gz", CONTENT)
    assert fetch_archive(source).read_bytes() == CONTENT
    assert fetch_archive(source).read_bytes() == CONTENT
    assert len(web.requests) == 1


def test_a_chunked_answer_is_as_good(web: Web) -> None:
    assert fetch_archive(web.serve("/a", CONTENT, chunked=True)).read_bytes() == CONTENT


def test_a_download_that_breaks_off_goes_on_where_it_stopped(web: Web) -> None:
    source = web.serve("/a", CONTENT, break_after=[100_000, 50_000])
    assert fetch_archive(source).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_download_that_was_killed_goes_on_in_the_next_run(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    keep_part(source, CONTENT[:777])
    assert fetch_archive(source).read_bytes() == CONTENT
    assert web.requests == [("/a", "bytes=777-")]


def test_a_server_without_ranges_is_asked_from_the_start(web: Web, cache: Path) -> None:
    source = web.serve("/a", CONTENT, ranges=False, break_after=[100_000])
    assert fetch_archive(source).read_bytes() == CONTENT
    assert len(web.requests) == 2
    assert data_files(cache) == [f"sources/downloads/{source.sha256}"]


def test_a_server_that_continues_at_another_place_is_asked_from_the_start(web: Web) -> None:
    source = web.serve("/a", CONTENT, range_start=5)
    keep_part(source, CONTENT[:10])
    assert fetch_archive(source).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.requests] == ["bytes=10-", None]


def test_a_range_that_the_server_does_not_have_is_no_reason_to_give_up(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    keep_part(source, CONTENT[: len(CONTENT) - 1])
    web.pages["/a"].content = CONTENT[:1_000]  # Answers 416.
    with pytest.raises(SourceError, match="has 1000 bytes"):
        fetch_archive(source)
    assert [wanted for _, wanted in web.requests] == [f"bytes={len(CONTENT) - 1}-", None]


def test_pieces_that_do_not_fit_together_are_fetched_once_more_in_one(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    keep_part(source, b"of another file" * 100)
    assert fetch_archive(source).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.requests] == ["bytes=1500-", None]


def test_a_file_that_changed_between_two_pieces_is_fetched_once_more(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    web.pages["/a"] = Page(content=bytes(len(CONTENT)), break_after=[100], then=web.pages["/a"])
    assert fetch_archive(source).read_bytes() == CONTENT
    assert [wanted for _, wanted in web.requests] == [None, "bytes=100-", None]


def test_a_whole_but_wrong_part_is_fetched_once_more(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    keep_part(source, bytes(len(CONTENT)))
    assert fetch_archive(source).read_bytes() == CONTENT


def test_a_connection_that_always_breaks_ends_in_an_error_and_keeps_what_came(web: Web) -> None:
    source = web.serve("/a", CONTENT, break_after=[10] * 10)
    assert "did not arrive whole in 4 attempts; run again" in refusal(source)
    assert part_file(source.sha256).read_bytes() == CONTENT[:40]


def test_a_wrong_digest_is_refused_and_leaves_nothing(web: Web, cache: Path) -> None:
    source = web.serve("/a", CONTENT)
    web.pages["/a"].content = bytes(len(CONTENT))
    assert f"where the recipe pins {source.sha256}" in refusal(source)
    assert data_files(cache) == []
    assert len(web.requests) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [100, len(CONTENT) + 1])
def test_a_wrong_size_is_refused_and_leaves_nothing(
    web: Web, cache: Path, size: int, *, chunked: bool
) -> None:
    source = web.serve("/a", CONTENT, chunked=chunked)
    web.pages["/a"].content = bytes(size)
    assert "the recipe pins" in refusal(source)
    assert data_files(cache) == []


def test_a_wrong_size_is_refused_before_the_body_arrives(web: Web) -> None:
    gate = threading.Event()
    source = web.source("/a", CONTENT)
    web.pages["/a"] = Page(content=bytes(100), gate=gate)
    assert "has 100 bytes where the recipe pins 256000" in refusal(source)
    assert not web.pages["/a"].waited_in_vain
    gate.set()


def test_a_body_that_never_ends_is_cut_at_the_pinned_size(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    source = web.source("/a", CONTENT)
    # More than the pin arrives, and then the server waits: a client that reads on would wait too.
    web.pages["/a"] = Page(content=bytes(9_000_000), chunked=True, break_after=[8_000_000], gate=gate)
    monkeypatch.setattr(module, "READ_S", WAIT_S)
    assert "more than the 256000 bytes" in refusal(source)
    assert not web.pages["/a"].waited_in_vain
    gate.set()


def test_a_range_of_a_file_of_another_size_is_refused(web: Web, cache: Path) -> None:
    source = web.serve("/a", CONTENT, range_total=5)
    keep_part(source, CONTENT[:10])
    assert "has 5 bytes where the recipe pins 256000" in refusal(source)
    assert data_files(cache) == []


@pytest.mark.parametrize("status", [403, 404, 500, 599])
def test_an_http_error_is_one_line_and_leaves_nothing(web: Web, cache: Path, status: int) -> None:
    source = web.serve("/a", CONTENT, status=status)
    assert f"answered {status}" in refusal(source)
    assert data_files(cache) == []


def test_redirects_are_followed(web: Web) -> None:
    web.pages["/old"] = Page(status=302, location="/new")
    web.serve("/new", CONTENT)
    assert fetch_archive(web.source("/old", CONTENT)).read_bytes() == CONTENT


@pytest.mark.parametrize("location", ["http://example.invalid/a", "ftp://127.0.0.1/a", "file:///etc/passwd"])
def test_redirects_away_from_https_are_refused(web: Web, location: str) -> None:
    web.pages["/old"] = Page(status=301, location=location)
    assert "not https" in refusal(web.source("/old", CONTENT))


def test_a_https_url_is_not_redirected_to_this_machine() -> None:
    with pytest.raises(SourceError, match="not https"):
        module._require_https("http://127.0.0.1/a", plain_allowed=False)


def test_redirects_end(web: Web) -> None:
    web.pages["/old"] = Page(status=302, location="/old")
    assert "more than 5 redirects" in refusal(web.source("/old", CONTENT))


def test_a_server_that_falls_silent_is_left_after_the_deadline(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_S", 1.0)
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    gate = threading.Event()
    source = web.serve("/a", CONTENT, break_after=[10], gate=gate)
    assert "did not arrive whole" in refusal(source)
    assert not web.pages["/a"].waited_in_vain
    gate.set()
    assert part_file(source.sha256).read_bytes() == CONTENT[:10]


def test_the_whole_download_has_a_deadline(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOWNLOAD_DEADLINE_S", 0)
    assert "took longer than 0 s" in refusal(web.serve("/a", CONTENT))


def test_a_port_where_nobody_listens_is_one_line(deaf_port: int) -> None:
    source = ArchiveSource(url=f"http://127.0.0.1:{deaf_port}/a", sha256="0" * 64, size=1)
    assert "127.0.0.1 can't be reached: Connection refused" in refusal(source)


def test_a_host_that_does_not_answer_is_left_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = threading.Event()

    def hang(*_: object, **__: object) -> None:
        hung.wait(WAIT_S)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(SourceError, match=r"example\.invalid does not answer within 0\.05 s"):
        reach.require_answer("https://example.invalid/a", deadline_s=0.05)
    hung.set()


def test_behind_a_proxy_it_is_the_proxy_that_must_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    assert reach._first_hop("https://example.invalid/a") == ("proxy.invalid", 3128)
    monkeypatch.setenv("no_proxy", "example.invalid")
    assert reach._first_hop("https://example.invalid/a") == ("example.invalid", 443)


def test_a_damaged_file_in_the_cache_is_fetched_anew(web: Web) -> None:
    source = web.serve("/a", CONTENT)
    fetch_archive(source).write_bytes(bytes(len(CONTENT)))
    assert fetch_archive(source).read_bytes() == CONTENT
    assert len(web.requests) == 2
