"""What is found at the paths that a policy names: links, protected names, pointers, patterns."""

import os

import pytest

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.grants import Access, DeniedPattern, Grant, Grants, Surroundings
from shelltool.sandbox.locate import Kind, Link, locate
from shelltool.sandbox.patterns import fits, matches
from shelltool.sandbox.placeholders import PLACEHOLDER_TIME
from shelltool.sandbox.plan import OpKind
from shelltool.sandbox.planning import plan_policy, plan_wrapped
from shelltool.sandbox.policy import parse_policy
from shelltool.sandbox.survey import LISTING_LIMIT, list_folder, look_at, survey
from shelltool.sandbox.wrapped import unwrap

WORKSPACE = parse_policy(
    {"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}
)


@pytest.fixture
def base(tmp_path):
    return tmp_path.resolve()


def put(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_path_is_followed_link_by_link(base):
    put(base / "real/file")
    (base / "one").symlink_to("two")
    (base / "two").symlink_to(base / "real")
    found = locate(f"{base}/one/../one/./file")
    assert (found.real, found.kind, found.missing) == (f"{base}/real/file", Kind.FILE, None)
    assert found.links[-1] == Link(f"{base}/two", f"{base}/real")


def test_dots_after_a_link_are_those_of_where_it_leads(base):
    put(base / "deep/real/file")
    put(base / "deep/other")
    (base / "link").symlink_to("deep/real")
    assert locate(f"{base}/link/../other").real == f"{base}/deep/other"


def test_the_first_missing_part_is_named(base):
    found = locate(f"{base}/a/b/../c")
    assert (found.real, found.kind, found.missing) == (f"{base}/a/c", Kind.ABSENT, f"{base}/a")
    put(base / "file")
    assert locate(f"{base}/file/x").missing == f"{base}/file/x"


def test_a_link_to_nothing_is_missing_where_it_leads(base):
    (base / "link").symlink_to("nowhere/x")
    assert locate(f"{base}/link").missing == f"{base}/nowhere"


def test_links_in_a_circle_are_refused(base):
    (base / "a").symlink_to("b")
    (base / "b").symlink_to("a")
    with pytest.raises(SandboxPlanError, match="Too many levels"):
        locate(f"{base}/a")


def test_links_that_differ_for_each_process_are_refused():
    with pytest.raises(SandboxPlanError, match="/proc/self"):
        locate("/proc/self/cwd")


def test_a_path_that_can_not_be_looked_at_is_refused(base):
    with pytest.raises(SandboxPlanError, match="File name too long"):
        locate(f"{base}/{'x' * 300}")


def test_protected_names_are_found_as_what_they_are(base):
    put(base / ".git/config")
    put(base / ".codex")
    (base / ".agents").symlink_to("elsewhere")
    kinds = [look_at(str(base), name).kind for name in (".git", ".codex", ".agents")]
    assert kinds == [Kind.FOLDER, Kind.FILE, Kind.LINK]


def test_an_empty_folder_counts_as_missing_so_that_placeholders_are_shared(base):
    (base / ".git").mkdir()
    os.utime(base / ".git", (PLACEHOLDER_TIME, PLACEHOLDER_TIME))
    assert look_at(str(base), ".git").kind is Kind.ABSENT


def test_a_git_file_leads_to_its_repository_and_what_that_shares(base):
    git = put(base / "ws/.git", "gitdir: ../repo/worktrees/one\n")
    put(base / "repo/worktrees/one/commondir", "../..\n")
    targets = look_at(str(git.parent), ".git").targets
    assert [target.real for target in targets] == [f"{base}/repo/worktrees/one", f"{base}/repo"]


@pytest.mark.parametrize("text", ["", "gitdir:", "gitdir: \n", "something", "gitdir: a\0b", "x" * 100_000])
def test_a_git_file_that_says_nothing_leads_nowhere(base, text):
    put(base / ".git", text)
    assert look_at(str(base), ".git").targets == ()


def test_a_git_file_that_is_a_pipe_is_not_waited_for(base):
    os.mkfifo(base / ".git")
    assert look_at(str(base), ".git").targets == ()


def test_a_repository_inside_the_workspace_is_protected_with_the_file_that_points_to_it(base):
    put(base / ".git", "gitdir: store/worktrees/one\n")
    put(base / "store/worktrees/one/commondir", "../..\n")
    plan = plan_policy(WORKSPACE, Surroundings(cwd=str(base)))
    assert plan.paths(OpKind.PROTECTED) == (f"{base}/.git", f"{base}/store")


def test_a_repository_that_does_not_exist_yet_can_not_be_created(base):
    put(base / ".git", "gitdir: later/git\n")
    plan = plan_policy(WORKSPACE, Surroundings(cwd=str(base)))
    assert f"{base}/later" in plan.paths(OpKind.RESERVED)


def test_a_link_on_the_way_to_a_repository_that_the_sandbox_could_replace_is_refused(base):
    put(base / ".git", "gitdir: link/git\n")
    put(base / "real/git/config")
    (base / "link").symlink_to("real")
    with pytest.raises(SandboxPlanError, match="link is a link on the way"):
        plan_policy(WORKSPACE, Surroundings(cwd=str(base)))


def test_a_working_folder_that_is_a_link_in_a_writable_folder_is_refused(base):
    (base / "out").symlink_to("/etc")
    policy = parse_policy({"type": "workspace-write", "writable_roots": [str(base)]})
    with pytest.raises(SandboxPlanError, match="which sandboxed commands can replace"):
        plan_policy(policy, Surroundings(cwd=f"{base}/out"))


def test_command_lines_of_older_clients_can_be_planned(base):
    wrapped = unwrap(
        [
            "/h/codex-linux-sandbox",
            "--sandbox-policy-cwd",
            str(base),
            "--sandbox-policy",
            WORKSPACE.model_dump_json(),
            "--",
            "x",
        ]
    )
    assert wrapped is not None
    assert plan_wrapped(wrapped, Surroundings(cwd="/")).paths(OpKind.WRITABLE) == (str(base),)


def test_surveying_nothing_looks_at_nothing():
    assert survey(Grants(confined=False)).located == {}


def test_the_whole_disk_has_no_protected_names():
    assert survey(Grants(grants=(Grant("/", Access.WRITE),))).protected == ()


def test_a_folder_with_too_much_in_it_is_refused(base):
    for number in range(LISTING_LIMIT + 1):
        (base / str(number)).touch()
    with pytest.raises(SandboxPlanError, match="more than 2048 entries"):
        list_folder(str(base))
    with pytest.raises(SandboxPlanError, match="No such file"):
        list_folder(f"{base}/nowhere")


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        ("*.env", ".env", True),
        ("*.env", "a/.env", False),
        ("**/*.env", "x.env", True),
        ("**/*.env", "a/b/x.env", True),
        ("a/**", "a", True),
        ("a/**", "a/b/c", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("**", "anything/at/all", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab]", "b", True),
        ("[!ab]", "b", False),
        ("A", "a", False),
        ("a.b", "axb", False),
        ("/".join(["**"] * 200) + "/z", "/".join("a" * 200), False),
        ("*a" * 60, "a" * 250, True),
        ("*a" * 60 + "b", "a" * 250, False),
    ],
)
def test_patterns_match_names_and_any_number_of_folders_in_little_time(pattern, path, wanted):
    assert fits(path.split("/"), pattern.split("/")) is wanted


def test_what_matches_is_found_to_the_given_depth(base):
    for name in (".env", "a/.env", "a/b/.env", "a/b/c/.env"):
        put(base / name)
    found = sorted(matches(DeniedPattern(str(base), "**/.env", 3)))
    assert found == sorted([f"{base}/.env", f"{base}/a/.env", f"{base}/a/b/.env"])


def test_a_tree_too_large_to_search_is_refused(base, monkeypatch):
    monkeypatch.setattr("shelltool.sandbox.patterns.SCAN_LIMIT", 3)
    for number in range(5):
        put(base / str(number))
    with pytest.raises(SandboxPlanError, match="too large to search"):
        list(matches(DeniedPattern(str(base), "x", None)))


def test_a_hidden_link_hides_what_it_leads_to(base):
    put(base / "ws/real.txt")
    (base / "ws/.env").symlink_to("real.txt")
    grants = Grants(patterns=(DeniedPattern(f"{base}/ws", ".env", None),))
    assert [found.real for found in survey(grants).hidden] == [f"{base}/ws/real.txt"]
