"""What is published, and how the clients are called; the clients here only note it."""

import json
import sys

import pytest
from click.testing import CliRunner

from shellbuild import publishing, release_plan
from shellbuild.checksums import write_checksums
from shellbuild.cli import main
from shellbuild.errors import ReleaseError, StepError
from shellbuild.npm_registry import integrity_of
from shellbuild.publishing import publish_github, publish_npm
from shellbuild.release_plan import default_tag, plan_release
from shellbuild.version import parse_version

TAG = default_tag()
NOTE = """#!{python}
import json, os, sys
if sys.argv[1] == "view" and not {status}:
    answer = {log!r} + ".published"
    if os.path.exists(answer):
        sys.exit(print(open(answer, encoding="utf-8").read()))
    sys.exit("npm error code E404")
with open({log!r}, "a", encoding="utf-8") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit({status})
"""


@pytest.fixture(autouse=True)
def published(monkeypatch):
    """As in a project that has its repository."""
    monkeypatch.setattr(publishing, "repository", lambda: "owner/name")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")


@pytest.fixture
def dist(tmp_path):
    return filled(tmp_path / "dist", TAG)


def filled(folder, tag):
    """Make what a tag releases."""
    folder.mkdir()
    for name in plan_release(tag).file_names():
        (folder / name).write_text(name, encoding="utf-8")
    write_checksums(folder)
    return folder


@pytest.fixture
def clients(tmp_path, monkeypatch):
    """Stand-ins for npm and gh; gives their calls."""
    log, tools = tmp_path / "calls", tmp_path / "tools"
    put_clients(tools, log, status=0)
    monkeypatch.setenv("PATH", str(tools))

    def calls():
        return (
            [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            if log.exists()
            else []
        )

    return calls


def put_clients(tools, log, *, status):
    tools.mkdir(exist_ok=True)
    for name in ("npm", "gh"):
        text = NOTE.format(python=sys.executable, log=str(log), status=status)
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)


def test_npm_gets_the_tarball_its_tag_and_provenance(dist, clients):
    publish_npm(TAG, dry_run=False, dist=dist)
    (call,) = clients()
    assert call[:2] == ["publish", str(dist / plan_release(TAG).files()["npm"][0])]
    assert call[2:] == ["--access", "public", "--tag", plan_release(TAG).dist_tag, "--provenance"]


def test_a_rehearsal_of_npm_publishes_nothing(dist, clients):
    publish_npm(TAG, dry_run=True, dist=dist)
    (call,) = clients()
    assert "--dry-run" in call
    assert "--provenance" not in call


def test_github_gets_all_of_dist(dist, clients):
    publish_github(TAG, dry_run=False, dist=dist)
    (call,) = clients()
    assert call[:4] == ["release", "create", TAG, "--verify-tag"]
    assert [one for one in call if one.startswith(str(dist))] == sorted(map(str, dist.iterdir()))


def test_a_rehearsal_of_github_makes_no_release(dist, clients):
    publish_github(TAG, dry_run=True, dist=dist)
    assert clients() == []


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_when_a_file_is_missing(dist, clients, publish):
    missing = plan_release(TAG).files()["wheels"][0]
    (dist / missing).unlink()
    with pytest.raises(ReleaseError, match=f"lacks {missing}"):
        publish(TAG, dry_run=False, dist=dist)
    assert clients() == []


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_when_dist_is_not_what_its_sums_say(dist, clients, publish):
    wheel = plan_release(TAG).files()["wheels"][0]
    (dist / wheel).write_text("something else", encoding="utf-8")
    (dist / "stray").write_text("not planned", encoding="utf-8")
    with pytest.raises(ReleaseError, match=rf"stray: is not listed\n{wheel}: has another sha256"):
        publish(TAG, dry_run=False, dist=dist)
    assert clients() == []


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_under_the_tag_of_another_version(dist, clients, publish):
    with pytest.raises(ReleaseError, match=r"v99\.0\.0"):
        publish("v99.0.0", dry_run=False, dist=dist)
    assert clients() == []


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_a_project_that_has_no_repository_yet(dist, clients, publish, monkeypatch):
    monkeypatch.setattr(publishing, "repository", lambda: "_unpublished/name")
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(ReleaseError, match="set `repository` under"):
        publish(TAG, dry_run=False, dist=dist)
    assert clients() == []
    publish(TAG, dry_run=True, dist=dist)


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_another_repository_than_the_packages_name(dist, clients, publish, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "a-fork/name")
    with pytest.raises(ReleaseError, match="this is a-fork/name, but the packages name owner/name"):
        publish(TAG, dry_run=False, dist=dist)
    assert clients() == []


@pytest.mark.parametrize("stated", ["_unpublished/name", "another/name"])
def test_a_plan_that_would_release_for_another_repository_is_refused(monkeypatch, stated):
    asked = ["release-plan", TAG, "--this-version"]
    assert CliRunner().invoke(main, [*asked, "--from-here"]).exit_code == 0
    monkeypatch.setattr(publishing, "repository", lambda: stated)
    assert CliRunner().invoke(main, asked).exit_code == 0
    refused = CliRunner().invoke(main, [*asked, "--from-here"])
    assert refused.exit_code != 0
    assert "set `repository` under" in str(refused.exception) + refused.output


def test_a_shells_own_release_has_no_npm_package(tmp_path, clients):
    tag = "codex-bash-v2.0.0"
    dist = filled(tmp_path / "bash", tag)
    with pytest.raises(ReleaseError, match="no npm package"):
        publish_npm(tag, dry_run=False, dist=dist)
    publish_github(tag, dry_run=False, dist=dist)
    assert clients()[0][2] == tag
    assert str(dist / "report.html") in clients()[0]


@pytest.mark.parametrize(
    ("tag", "latest"),
    [("v1.2.3", True), ("v1.2.3-alpha.4", False), ("codex-bash-v5.3.1", False), ("codex-zsh-v5.9.2", False)],
)
def test_only_a_stable_release_of_the_whole_is_the_repositorys_latest(
    tmp_path, clients, monkeypatch, tag, latest
):
    monkeypatch.setattr(
        release_plan,
        "project_version",
        lambda: parse_version(tag.removeprefix("v")) if tag[0] == "v" else None,
    )
    publish_github(tag, dry_run=False, dist=filled(tmp_path / "dist", tag))
    (call,) = clients()
    assert ("--latest" in call, "--latest=false" in call) == (latest, not latest)


@pytest.mark.parametrize("publish", [publish_npm, publish_github])
def test_nothing_leaves_beside_a_file_that_is_not_planned(dist, clients, publish):
    for name in ("codex-bash-0.0.9-x86_64-unknown-linux-musl.tar.gz", "notes.txt"):
        (dist / name).write_text("of before", encoding="utf-8")
    write_checksums(dist)
    with pytest.raises(ReleaseError, match=rf"holds codex-bash-0\.0\.9-.*, notes\.txt, which {TAG}"):
        publish(TAG, dry_run=False, dist=dist)
    assert clients() == []


def has_published(tmp_path, integrity):
    (tmp_path / "calls.published").write_text(json.dumps(integrity), encoding="utf-8")


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_version_that_npm_has_already_is_done(dist, clients, tmp_path, capfd, dry_run):
    has_published(tmp_path, integrity_of(dist / plan_release(TAG).files()["npm"][0]))
    publish_npm(TAG, dry_run=dry_run, dist=dist)
    assert clients() == []
    assert "already, the same bytes" in capfd.readouterr().err


def test_a_version_that_npm_has_with_other_bytes_is_an_error(dist, clients, tmp_path):
    has_published(tmp_path, "sha512-other")
    with pytest.raises(ReleaseError, match=r"already, as sha512-other, .*release the next one"):
        publish_npm(TAG, dry_run=False, dist=dist)
    assert clients() == []


def test_a_client_that_fails_is_an_error(dist, clients, tmp_path):
    put_clients(tmp_path / "tools", tmp_path / "calls", status=3)
    with pytest.raises(StepError, match="npm ended with status 3"):
        publish_npm(TAG, dry_run=False, dist=dist)
