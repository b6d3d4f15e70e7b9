"""What policies mean for paths."""

import pytest

from shelltool.errors import SandboxPolicyError
from shelltool.sandbox.context import parse_context
from shelltool.sandbox.grants import (
    PLATFORM_FOLDERS,
    UNCONFINED,
    Access,
    DeniedPattern,
    Grant,
    Surroundings,
    grants_of_context,
    grants_of_policy,
    grants_of_profile,
)
from shelltool.sandbox.permissions import parse_profile
from shelltool.sandbox.policy import parse_policy

AROUND = Surroundings(cwd="/w", tmpdir="/scratch")
READ, WRITE, DENY = Access.READ, Access.WRITE, Access.DENY


def policy(**keys):
    return grants_of_policy(parse_policy(keys), AROUND)


def entry(access, **path):
    return {"path": path, "access": access}


def special(access, kind, **more):
    return entry(access, type="special", value={"kind": kind, **more})


def files(*entries, **more):
    return {"type": "restricted", "entries": [*entries], **more}


def profile(*entries, around=AROUND, **more):
    return grants_of_profile(
        parse_profile({"type": "managed", "file_system": files(*entries, **more)}), around
    )


def test_read_only_reads_everything():
    grants = policy(type="read-only")
    assert grants.grants == (Grant("/", READ),)
    assert grants.confined
    assert not grants.network
    assert policy(type="read-only", network_access=True).network


def test_restricted_reading_reads_its_roots_and_the_platform():
    access = {"type": "restricted", "readable_roots": ["/data"]}
    assert policy(type="read-only", access=access).grants == (Grant("/data", READ),)
    with_platform = policy(type="read-only", access={**access, "include_platform_defaults": True}).grants
    assert {grant.path for grant in with_platform} == {"/data", *PLATFORM_FOLDERS}


def test_a_workspace_writes_its_roots_and_the_folders_for_temporary_files():
    grants = policy(type="workspace-write", writable_roots=["/more"]).grants
    scratch = {"optional": True, "scratch": True}
    assert grants == (
        Grant("/", READ),
        Grant("/w", WRITE),
        Grant("/more", WRITE),
        Grant("/tmp", WRITE, **scratch),
        Grant("/scratch", WRITE, **scratch),
    )


def test_folders_for_temporary_files_can_be_excluded():
    grants = policy(type="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True).grants
    assert [grant.path for grant in grants] == ["/", "/w"]


@pytest.mark.parametrize("tmpdir", [None, "", "relative", "/", "//", "/a/.."])
def test_a_tmpdir_that_is_no_folder_of_its_own_is_not_written(tmpdir):
    around = Surroundings(cwd="/w", tmpdir=tmpdir)
    grants = grants_of_policy(parse_policy({"type": "workspace-write"}), around).grants
    assert [grant.path for grant in grants] == ["/", "/w", "/tmp"]


@pytest.mark.parametrize("kind", ["danger-full-access", "external-sandbox"])
def test_no_sandbox_is_no_sandbox(kind):
    assert policy(type=kind) == UNCONFINED


def test_a_workspace_needs_a_working_folder():
    with pytest.raises(SandboxPolicyError, match="working folder"):
        grants_of_policy(parse_policy({"type": "workspace-write"}), Surroundings())


def test_a_profile_is_what_its_entries_say():
    grants = profile(
        special("read", "root"),
        special("write", "project_roots"),
        special("read", "project_roots", subpath=".git"),
        special("write", "slash_tmp"),
        special("write", "tmpdir"),
        special("write", "unknown", path=":what"),
        special("write", "current_working_directory"),
        entry("none", type="path", path="/secret"),
        around=Surroundings(cwd="/c", tmpdir="/t", workspace_roots=("/w", "/v")),
    )
    assert grants.grants == (
        Grant("/", READ),
        Grant("/w", WRITE),
        Grant("/v", WRITE),
        Grant("/w/.git", READ),
        Grant("/v/.git", READ),
        Grant("/tmp", WRITE, scratch=True),
        Grant("/t", WRITE, scratch=True),
        Grant("/c", WRITE),
        Grant("/secret", DENY),
    )


def test_patterns_hold_below_each_root_or_from_where_their_text_becomes_a_pattern():
    grants = profile(
        entry("deny", type="glob_pattern", pattern="**/*.env"),
        entry("deny", type="glob_pattern", pattern="/a/b/*/c"),
        entry("deny", type="glob_pattern", pattern="/a/b"),
        glob_scan_max_depth=4,
    )
    assert grants.patterns == (
        DeniedPattern("/w", "**/*.env", 4),
        DeniedPattern("/a/b", "*/c", 4),
        DeniedPattern("/a", "b", 4),
    )


def test_a_profile_that_restricts_nothing_is_no_sandbox():
    free = {"type": "managed", "network": "enabled", "file_system": {"type": "unrestricted"}}
    assert grants_of_profile(parse_profile(free), AROUND) == UNCONFINED
    assert grants_of_profile(parse_profile({"type": "disabled"}), AROUND) == UNCONFINED
    assert grants_of_profile(parse_profile({"type": "external"}), AROUND) == UNCONFINED


def test_unrestricted_files_without_network_are_a_sandbox():
    offline = {"type": "managed", "network": "restricted", "file_system": {"type": "unrestricted"}}
    grants = grants_of_profile(parse_profile(offline), AROUND)
    assert (grants.confined, grants.network, grants.grants) == (True, False, (Grant("/", WRITE),))


def test_the_folders_of_a_sandbox_object_win_over_those_around():
    old = parse_context({"sandboxPolicy": {"type": "workspace-write"}, "sandboxPolicyCwd": "/own"})
    assert Grant("/own", WRITE) in grants_of_context(old, AROUND).grants
    wire = {"type": "managed", "file_system": files(special("write", "project_roots"))}
    new = parse_context({"permissions": wire, "cwd": "/own", "workspaceRoots": ["/one", "/two"]})
    assert grants_of_context(new, AROUND).grants == (Grant("/one", WRITE), Grant("/two", WRITE))
    without = parse_context({"permissions": wire, "cwd": "/own"})
    assert grants_of_context(without, AROUND).grants == (Grant("/own", WRITE),)


def test_no_workspace_roots_are_not_the_same_as_none_being_said():
    wire = {"type": "managed", "file_system": files(special("write", "project_roots"))}
    assert (
        grants_of_context(
            parse_context({"permissions": wire, "cwd": "/own", "workspaceRoots": []}), AROUND
        ).grants
        == ()
    )


def two_policies(coarse, fine):
    return parse_context({"sandboxPolicy": coarse, "fileSystemSandboxPolicy": fine, "sandboxPolicyCwd": "/w"})


def test_the_finer_of_two_policies_holds():
    fine = {
        "kind": "restricted",
        "entries": [special("read", "root"), entry("write", type="path", path="/w/sub")],
    }
    grants = grants_of_context(
        two_policies({"type": "workspace-write", "network_access": True}, fine), AROUND
    )
    assert grants.grants == (Grant("/", READ), Grant("/w/sub", WRITE))
    assert grants.network


@pytest.mark.parametrize(
    "fine",
    [
        {"kind": "unrestricted"},
        {"kind": "external-sandbox"},
        {"kind": "restricted", "entries": [entry("write", type="path", path="/other")]},
        {"kind": "restricted", "entries": [special("write", "root")]},
    ],
)
def test_a_finer_policy_that_allows_more_is_refused(fine):
    with pytest.raises(SandboxPolicyError, match="fileSystemSandboxPolicy"):
        grants_of_context(two_policies({"type": "workspace-write"}, fine), AROUND)
