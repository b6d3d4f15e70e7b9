"""Providers are tried in order, say in a line why they could not, and share one cache."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shellbuild.errors import SourceError, UsageError
from shellbuild.recipe import ArchiveSource, DistroSource, GitSource, Sources
from shellbuild.sources import Provider, candidates, copy_tree, identity, obtain_source
from shellbuild.sources import obtain as module
from unit.shellbuild.sources.conftest import data_files
from unit.shellbuild.sources.web import WAIT_S, Page, Web, file, release, tar_gz

GIT = GitSource(repository="https://git.invalid/shell.git", commit="0" * 40)
DISTRO = DistroSource(package="shell", tarball="shell.tar.gz", sha256="0" * 64, size=1, suites={})

# Two of these run at once: each tells the server that it is there, then wants the same archive.
CHILD = """
import sys, urllib.request
from shellbuild.recipe import ArchiveSource, Sources
from shellbuild.sources import obtain_source
url, sha256, size, ready = sys.argv[1:]
urllib.request.urlopen(ready, timeout=10).close()
tree = obtain_source("shell", "1", Sources(archive=ArchiveSource(url=url, sha256=sha256, size=int(size))))
print(tree.path, sorted(path.name for path in tree.path.iterdir()))
"""


@pytest.fixture
def git_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: GitSource, to: Path, *, hurry: bool) -> None:
        raise SourceError(f"{source.repository}\nis out of reach, hurry is {hurry}")

    monkeypatch.setattr(module, "fetch_tree", fail)


@pytest.fixture
def distro_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: DistroSource) -> Path:
        raise SourceError(f"no suite has {source.tarball}")

    monkeypatch.setattr(module, "fetch_from_distro", fail)


def test_identities_need_no_network() -> None:
    archive = ArchiveSource(url="https://a.invalid/x", sha256="a" * 64, size=1)
    assert identity(GIT) == "git:" + "0" * 40
    assert identity(archive) == "sha256:" + "a" * 64
    assert identity(DISTRO) == "sha256:" + "0" * 64


def test_the_order_is_git_archive_distro() -> None:
    archive = ArchiveSource(url="https://a.invalid/x", sha256="a" * 64, size=1)
    sources = Sources(distro=DISTRO, archive=archive, git=GIT)
    assert candidates(sources) == [Provider.GIT, Provider.ARCHIVE, Provider.DISTRO]
    assert candidates(Sources(distro=DISTRO, git=GIT)) == [Provider.GIT, Provider.DISTRO]
    assert candidates(sources, "distro") == [Provider.DISTRO]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("archive", "the recipe has no archive source"),
        ("svn", "no source provider 'svn'; there are auto, git"),
    ],
)
def test_a_provider_that_the_recipe_lacks_is_an_error_of_usage(wanted: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        candidates(Sources(git=GIT), wanted)


@pytest.mark.usefixtures("git_out_of_reach")
def test_the_next_provider_is_taken_and_one_line_says_why(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = Sources(git=GIT, archive=web.serve("/shell.tar.gz", release()))
    tree = obtain_source("shell", "1.0", sources)
    assert tree.provider is Provider.ARCHIVE
    assert tree.identity == identity(sources.archive or GIT)
    assert tree.original is not None
    assert tree.original.read_bytes() == release()
    assert sorted(path.name for path in tree.path.iterdir()) == ["README", "configure"]
    assert capsys.readouterr().err.splitlines() == [
        "shell 1.0: no source from git: https://git.invalid/shell.git is out of reach, hurry is True"
    ]


@pytest.mark.usefixtures("git_out_of_reach", "distro_out_of_reach")
def test_when_all_fail_each_has_its_line(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    sources = Sources(git=GIT, archive=web.source("/absent", b"x"), distro=DISTRO)
    with pytest.raises(SourceError, match=r"shell 1\.0: no source from git, archive, distro"):
        obtain_source("shell", "1.0", sources)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"no source from {provider}" for provider in Provider]


@pytest.mark.usefixtures("git_out_of_reach")
def test_a_provider_that_was_asked_for_has_patience_and_the_last_word() -> None:
    with pytest.raises(SourceError, match=r"no source from git: .*out of reach, hurry is False"):
        obtain_source("shell", "1.0", Sources(git=GIT, distro=DISTRO), "git")


@pytest.mark.usefixtures("git_out_of_reach")
def test_what_the_cache_has_comes_first_and_asks_nobody(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    archive = web.serve("/shell.tar.gz", release())
    obtain_source("shell", "1.0", Sources(archive=archive))
    web.requests.clear()
    assert obtain_source("shell", "1.0", Sources(git=GIT, archive=archive)).provider is Provider.ARCHIVE
    assert web.requests == []
    assert capsys.readouterr().err == ""


def test_a_tree_from_git_that_needs_a_missing_program_is_not_even_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "fetch_tree", lambda _, to, **__: to.mkdir())
    source = GitSource(repository=GIT.repository, commit=GIT.commit, needs=("sh", "no-such-autoconf"))
    with pytest.raises(
        SourceError, match="lacks files that a release ships; install no-such-autoconf to make them"
    ):
        obtain_source("zsh", "5.9.2", Sources(git=source))


def test_a_tree_from_git_is_given_when_its_programs_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fetch_tree", lambda _, to, **__: to.mkdir())
    source = GitSource(repository=GIT.repository, commit=GIT.commit, needs=("sh",))
    tree = obtain_source("zsh", "5.9.2", Sources(git=source))
    assert (tree.provider, tree.original, tree.identity) == (Provider.GIT, None, identity(source))


@pytest.mark.usefixtures("distro_out_of_reach")
def test_an_archive_that_is_refused_leaves_nothing_behind(web: Web, cache: Path) -> None:
    archive = web.serve("/shell.tar.gz", tar_gz([file("shell/../../evil")]))
    with pytest.raises(SourceError, match=r"'\.\.'") as caught:
        obtain_source("shell", "1.0", Sources(archive=archive))
    assert "\n" not in str(caught.value)
    assert data_files(cache) == []


def test_a_work_copy_leaves_the_cache_alone(web: Web, tmp_path: Path) -> None:
    sources = Sources(archive=web.serve("/shell.tar.gz", release()))
    tree = obtain_source("shell", "1.0", sources)
    copy_tree(tree, tmp_path / "work")
    (tmp_path / "work" / "README").write_text("patched\n", encoding="utf-8")
    assert obtain_source("shell", "1.0", sources) == tree


def test_two_processes_at_once_download_once_and_both_get_the_tree(web: Web) -> None:
    both_ready = threading.Event()
    source = web.serve("/shell.tar.gz", release(), gate=both_ready)
    for name in "ab":
        web.pages[f"/ready/{name}"] = Page()
    children = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                CHILD,
                source.url,
                source.sha256,
                str(source.size),
                web.url(f"/ready/{name}"),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    try:
        with web.got:
            assert web.got.wait_for(
                lambda: {"/ready/a", "/ready/b"} <= {path for path, _ in web.requests}, WAIT_S
            )
        both_ready.set()
        outputs = [child.communicate(timeout=WAIT_S)[0] for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    assert outputs[0] == outputs[1]
    assert "['README', 'configure']" in outputs[0]
    assert [path for path, _ in web.requests].count("/shell.tar.gz") == 1
