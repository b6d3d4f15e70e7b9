"""One commit is fetched, proven and exported as stored, whatever the user's or the tree's settings say."""

import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from shellbuild.errors import SourceError
from shellbuild.recipe import GitSource
from shellbuild.sources import git as module
from shellbuild.sources.git import fetch_tree, tree_name
from unit.shellbuild.sources.conftest import data_files
from unit.shellbuild.sources.web import WAIT_S

COMMITTED = 1_000_000_000
AUTHOR = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{
        f"GIT_{who}_{key}": value
        for who in ("AUTHOR", "COMMITTER")
        for key, value in {"NAME": "t", "EMAIL": "t@example.invalid", "DATE": f"{COMMITTED} +0000"}.items()
    },
}


def git(folder: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(argv, env=AUTHOR, capture_output=True, text=True, check=True, timeout=WAIT_S)
    return done.stdout.strip()


class Upstream:
    """A work tree that upstream commits to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")

    def commit(self, **files: str) -> GitSource:
        """Commit some files, and pin the result."""
        for name, text in files.items():
            (self.folder / name.replace("__", "/").replace("_", ".")).write_text(text, encoding="utf-8")
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message=change")
        return self.pin(git(self.folder, "rev-parse", "HEAD"))

    def pin(self, commit: str) -> GitSource:
        return GitSource(repository=f"file://{self.folder}", commit=commit)


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    monkeypatch.setattr(module, "PROTOCOLS", "file")
    return Upstream(tmp_path / "upstream")


def fetched(tmp_path: Path, source: GitSource) -> Path:
    fetch_tree(source, tmp_path / "out")
    return tmp_path / "out"


def refusal(tmp_path: Path, source: GitSource, *, hurry: bool = False) -> str:
    with pytest.raises(SourceError) as caught:
        fetch_tree(source, tmp_path / "out", hurry=hurry)
    assert not (tmp_path / "out").exists()
    assert data_files(tmp_path / "cache") == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_pinned_commit_arrives_and_not_the_newest_one(tmp_path: Path, upstream: Upstream) -> None:
    pinned = upstream.commit(a_c="old\n")
    upstream.commit(a_c="new\n")
    out = fetched(tmp_path, pinned)
    assert {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()} == {"a.c": "old\n"}
    assert data_files(tmp_path / "cache") == []


def test_all_files_have_the_time_of_the_commit_and_generated_ones_a_later_one(
    tmp_path: Path, upstream: Upstream
) -> None:
    (upstream.folder / "po").mkdir()
    pinned = upstream.commit(configure_ac="", configure="", parse_y="", po__de_gmo="", po__fr_gmo="")
    out = fetched(tmp_path, replace(pinned, generated=("configure", "po/*.gmo")))
    times = {str(path.relative_to(out)): path.stat().st_mtime for path in out.rglob("*") if path.is_file()}
    later = COMMITTED + module.LATER_S
    assert times == {
        "configure.ac": COMMITTED,
        "parse.y": COMMITTED,
        "configure": later,
        "po/de.gmo": later,
        "po/fr.gmo": later,
    }


def test_a_generated_file_that_the_commit_lacks_is_reported(tmp_path: Path, upstream: Upstream) -> None:
    pinned = upstream.commit(configure_ac="")
    with pytest.raises(SourceError, match="no file configure, which the recipe lists as generated"):
        fetch_tree(replace(pinned, generated=("configure",)), tmp_path / "out")


@pytest.mark.parametrize("name", ["/etc/passwd", "../upstream/a.c"])
def test_no_time_is_set_outside_of_the_tree(tmp_path: Path, upstream: Upstream, name: str) -> None:
    pinned = upstream.commit(a_c="")
    with pytest.raises(SourceError, match="no path inside the tree"):
        fetch_tree(replace(pinned, generated=(name,)), tmp_path / "out")


def test_what_counts_as_generated_makes_another_entry_in_the_cache(upstream: Upstream) -> None:
    pinned = upstream.commit()
    assert tree_name(pinned) != tree_name(replace(pinned, generated=("configure",)))


def test_the_tree_is_exported_byte_for_byte(tmp_path: Path, upstream: Upstream) -> None:
    attributes = "a.c export-subst\nb.c export-ignore\nc.c text eol=crlf\nd.c ident\n"
    texts = {"a_c": "$Format:%H$\n", "b_c": "b\n", "c_c": "c\n", "d_c": "$Id$\n"}
    (upstream.folder / ".gitattributes").write_text(attributes, encoding="utf-8")
    out = fetched(tmp_path, upstream.commit(**texts))
    found = {path.name.replace(".", "_"): path.read_bytes().decode() for path in out.glob("*.c")}
    assert found == texts


def test_settings_and_hooks_of_the_user_have_no_say(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = upstream.commit(a_c="text\n")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    marker = tmp_path / "hook-ran"
    for name in ("reference-transaction", "post-checkout", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {marker}\n", encoding="utf-8")
        (hooks / name).chmod(0o755)
    settings = (
        f'[core]\n\tautocrlf = true\n\thooksPath = {hooks}\n[url "file:///nowhere"]\n\tinsteadOf = file://\n'
    )
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(settings, encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    assert (fetched(tmp_path, pinned) / "a.c").read_bytes() == b"text\n"
    assert not marker.exists()


def test_certificates_and_proxies_of_the_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_SSL_CAINFO", "https_proxy", "GIT_SSL_NO_VERIFY", "GIT_TRACE"):
        monkeypatch.setenv(name, "x")
    names = module._environment(tmp_path).keys()
    assert module._environment(tmp_path)["HOME"] == str(
        tmp_path
    )  # Where .netrc and older git's settings lie.
    assert {"GIT_SSL_CAINFO", "https_proxy"} <= names
    assert names.isdisjoint({"GIT_SSL_NO_VERIFY", "GIT_TRACE"})


def test_a_commit_that_does_not_exist_is_one_line_and_leaves_nothing(
    tmp_path: Path, upstream: Upstream
) -> None:
    upstream.commit()
    absent = upstream.pin("0123456789abcdef0123456789abcdef01234567")
    assert f"has no commit {absent.commit}" in refusal(tmp_path, absent)


def test_a_tag_is_not_taken_for_a_commit(tmp_path: Path, upstream: Upstream) -> None:
    commit = upstream.commit(a_c="").commit
    git(upstream.folder, "tag", "--annotate", "--message=v1", "v1")
    tag = upstream.pin(git(upstream.folder, "rev-parse", "v1"))
    assert f"is a tag; pin the commit {commit}" in refusal(tmp_path, tag)


@pytest.fixture
def no_single_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speak the old protocol, in which servers give out only what they advertise."""
    monkeypatch.setattr(module, "_SETTINGS", f"{module._SETTINGS}[protocol]\n\tversion = 0\n")


@pytest.mark.usefixtures("no_single_commits")
def test_a_server_that_gives_out_no_single_commits_is_fetched_whole(
    tmp_path: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = upstream.commit(a_c="old\n")
    upstream.commit(a_c="new\n")
    assert (fetched(tmp_path, pinned) / "a.c").read_text(encoding="utf-8") == "old\n"
    assert "fetched whole" in capsys.readouterr().err


@pytest.mark.usefixtures("no_single_commits")
def test_a_commit_that_the_whole_repository_lacks_is_refused(tmp_path: Path, upstream: Upstream) -> None:
    upstream.commit()
    absent = upstream.pin("0123456789abcdef0123456789abcdef01234567")
    assert "has no commit" in refusal(tmp_path, absent)


def test_only_https_is_spoken(tmp_path: Path) -> None:
    (tmp_path / "upstream").mkdir()
    source = GitSource(repository=f"file://{tmp_path}/upstream", commit="0" * 40)
    assert "transport 'file' not allowed" in refusal(tmp_path, source)


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, deaf_port: int) -> None:
    source = GitSource(repository=f"https://127.0.0.1:{deaf_port}/shell.git", commit="0" * 40)
    assert "Failed to connect" in refusal(tmp_path, source)


def test_a_server_that_accepts_and_says_nothing_is_left_and_no_process_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HURRIED_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)
        source = GitSource(repository=f"https://127.0.0.1:{listener.getsockname()[1]}/x.git", commit="0" * 40)
        assert "git ran longer than" in refusal(tmp_path, source, hurry=True)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(WAIT_S)
            while connection.recv(65_536):
                pass  # The end of file proves that git's transport helper is gone too.


def test_a_machine_without_git_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    source = GitSource(repository="https://example.invalid/x.git", commit="0" * 40)
    assert "git is not installed" in refusal(tmp_path, source)


def test_links_inside_the_tree_stay_and_links_out_of_it_refuse_the_commit(
    tmp_path: Path, upstream: Upstream
) -> None:
    (upstream.folder / "inside").symlink_to("a.c")
    pinned = upstream.commit(a_c="text\n")
    assert (fetched(tmp_path, pinned) / "inside").readlink() == Path("a.c")
    (upstream.folder / "outside").symlink_to("../../etc/passwd")
    with pytest.raises(SourceError, match="outside of its tree"):
        fetch_tree(upstream.commit(), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_submodules_are_not_fetched(tmp_path: Path, upstream: Upstream) -> None:
    commit = upstream.commit(a_c="").commit
    git(upstream.folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
    git(upstream.folder, "commit", "--quiet", "--message=submodule")
    out = fetched(tmp_path, upstream.pin(git(upstream.folder, "rev-parse", "HEAD")))
    assert list((out / "sub").iterdir()) == []
