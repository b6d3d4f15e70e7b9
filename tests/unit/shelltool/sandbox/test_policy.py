"""Policies, profiles and sandbox objects as they come over the wire."""

import json

import pytest

from shelltool.errors import SandboxError, SandboxPolicyError, ShellToolError
from shelltool.sandbox.context import PolicyContext, ProfileContext, parse_context
from shelltool.sandbox.permissions import Managed, parse_profile
from shelltool.sandbox.policy import DangerFullAccess, ReadOnly, WorkspaceWrite, parse_policy
from shelltool.sandbox.wrapped import unwrap

PROFILE = {
    "type": "managed",
    "network": "restricted",
    "file_system": {
        "type": "restricted",
        "entries": [
            {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
            {"path": {"type": "special", "value": {"kind": "project_roots"}}, "access": "write"},
            {
                "path": {"type": "special", "value": {"kind": "project_roots", "subpath": ".aws"}},
                "access": "read",
                "missing_path_behavior": "skip",
            },
            {
                "path": {"type": "special", "value": {"kind": "unknown", "path": ":x", "subpath": "y"}},
                "access": "write",
            },
            {"path": {"type": "glob_pattern", "pattern": "**/*.env"}, "access": "none"},
            {"path": {"type": "path", "path": "file:///a%20b"}, "access": "deny"},
        ],
        "glob_scan_max_depth": 3,
    },
}


def test_the_four_policies_are_read_with_their_defaults():
    assert parse_policy('{"type": "read-only"}') == ReadOnly()
    assert parse_policy({"type": "danger-full-access"}) == DangerFullAccess()
    assert parse_policy('{"type": "external-sandbox"}').type == "external-sandbox"
    workspace = parse_policy('{"type": "workspace-write"}')
    assert isinstance(workspace, WorkspaceWrite)
    assert (workspace.writable_roots, workspace.network_access) == ((), False)
    assert (workspace.exclude_tmpdir_env_var, workspace.exclude_slash_tmp) == (False, False)


def test_a_workspace_policy_is_read_in_full_and_written_as_it_was():
    document = {
        "type": "workspace-write",
        "writable_roots": ["/a", "/b/c"],
        "network_access": True,
        "exclude_tmpdir_env_var": True,
        "exclude_slash_tmp": True,
    }
    policy = parse_policy(json.dumps(document))
    assert json.loads(policy.model_dump_json()) == document


def test_restricted_reading_of_older_clients_is_read():
    access = {"type": "restricted", "include_platform_defaults": True, "readable_roots": ["/data"]}
    policy = parse_policy({"type": "read-only", "access": access})
    assert isinstance(policy, ReadOnly)
    assert policy.access.type == "restricted"


def test_policies_can_not_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        parse_policy('{"type": "read-only"}').network_access = True  # type: ignore[union-attr, misc]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ('{"type": "read-only", "readable": true}', "readable"),
        (
            '{"type": "workspace-write", "writable_roots": ["a"]}',
            "writable_roots.0: Value error, not an absolute path",
        ),
        ('{"type": "workspace-write", "writable_roots": ["/a\\u0000"]}', "writable_roots.0"),
        ('{"type": "workspace-write", "writable_roots": ["/' + "a" * 5000 + '"]}', "writable_roots.0"),
        ('{"type": "workspace-write", "writable_roots": [1]}', "writable_roots.0: Value error, not a path"),
        (
            '{"type": "workspace-write", "writable_roots": ["file://host/a"]}',
            "not a file: URI of this machine",
        ),
        ('{"type": "workspace-write", "network_access": "yes"}', "network_access"),
        ('{"type": "workspace-write", "network_access": 1, "exclude_slash_tmp": 1}', "exclude_slash_tmp"),
        ('{"type": "workspace"}', "workspace-write"),
        ("{}", "type"),
        ("[]", "the whole"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (" " * (1 << 21), "longer than"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_place(document, place):
    with pytest.raises(SandboxPolicyError) as caught:
        parse_policy(document)
    assert place in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_every_problem_is_named_at_once():
    with pytest.raises(SandboxPolicyError) as caught:
        parse_policy({"type": "workspace-write", "network_access": 1, "writable_roots": ["x"]})
    assert "network_access" in str(caught.value)
    assert "writable_roots.0" in str(caught.value)


def test_errors_are_sandbox_errors():
    assert issubclass(SandboxPolicyError, SandboxError)
    assert issubclass(SandboxError, ShellToolError)


def test_paths_are_normalized_and_may_be_uris_of_any_bytes():
    policy = parse_policy(
        {
            "type": "workspace-write",
            "writable_roots": ["/a//b/../c/", "file:///x%20y", "file://localhost/%FF", "//z"],
        }
    )
    assert isinstance(policy, WorkspaceWrite)
    assert policy.writable_roots == ("/a/c", "/x y", "/\udcff", "/z")


def test_a_profile_is_read():
    profile = parse_profile(json.dumps(PROFILE))
    assert isinstance(profile, Managed)
    assert profile.file_system.type == "restricted"
    assert profile.file_system.entries[-1].path.path == "/a b"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        {"network": "on"},
        {"files": {}},
        {
            "file_system": {
                "type": "restricted",
                "entries": [{"path": {"type": "path", "path": "a"}, "access": "read"}],
            }
        },
        {
            "file_system": {
                "type": "restricted",
                "entries": [{"path": {"type": "path", "path": "/a"}, "access": "run"}],
            }
        },
        {
            "file_system": {
                "type": "restricted",
                "entries": [{"path": {"type": "glob_pattern", "pattern": "*"}, "access": "write"}],
            }
        },
        {
            "file_system": {
                "type": "restricted",
                "entries": [
                    {
                        "path": {"type": "special", "value": {"kind": "project_roots", "subpath": "../x"}},
                        "access": "write",
                    }
                ],
            }
        },
        {"file_system": {"type": "restricted", "entries": [], "glob_scan_max_depth": 0}},
    ],
)
def test_a_profile_that_is_not_understood_is_refused(change):
    with pytest.raises(SandboxPolicyError):
        parse_profile({**PROFILE, **change})


def test_both_shapes_of_the_sandbox_object_are_read():
    old = parse_context(
        {
            "sandboxPolicy": {"type": "workspace-write"},
            "sandboxPolicyCwd": "/w",
            "fileSystemSandboxPolicy": {"kind": "restricted", "entries": PROFILE["file_system"]["entries"]},  # type: ignore[index]
            "windowsSandboxLevel": "disabled",
            "windowsSandboxPrivateDesktop": False,
            "useLegacyLandlock": False,
        }
    )
    assert isinstance(old, PolicyContext)
    assert old.sandbox_policy_cwd == "/w"
    new = parse_context(
        {
            "permissions": PROFILE,
            "cwd": "file:///w",
            "workspaceRoots": ["file:///w"],
            "windowsSandboxLevel": "disabled",
            "windowsSandboxPrivateDesktop": False,
            "windowsSandboxProxySettingsMode": "reconcile",
            "sandboxOverride": "noOverride",
            "useLegacyLandlock": False,
        }
    )
    assert isinstance(new, ProfileContext)
    assert (new.cwd, new.workspace_roots) == ("/w", ("/w",))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"sandboxPolicy": {"type": "read-only"}, "permissions": {"type": "disabled"}},
        {"permissions": {"type": "disabled"}, "sandbox_policy": {}},
        {"permissions": {"type": "disabled"}, "sandboxOverride": "all"},
    ],
)
def test_a_sandbox_object_that_is_not_understood_is_refused(document):
    with pytest.raises(SandboxPolicyError):
        parse_context(document)


def test_command_lines_that_older_clients_wrapped_are_taken_apart():
    wrapped = unwrap(
        [
            "/x/codex-linux-sandbox",
            "--sandbox-policy-cwd",
            "/w",
            "--sandbox-policy",
            '{"type":"read-only"}',
            "--",
            "ls",
        ]
    )
    assert wrapped is not None
    assert (wrapped.command, wrapped.policy, wrapped.policy_cwd) == (("ls",), ReadOnly(), "/w")
    newer = ["codex-linux-sandbox", "--sandbox-policy-cwd", "/w", "--command-cwd", "/w/a"]
    wrapped = unwrap([*newer, "--permission-profile", json.dumps(PROFILE), "--", "ls", "--", "-l"])
    assert wrapped is not None
    assert (wrapped.command, wrapped.command_cwd) == (("ls", "--", "-l"), "/w/a")
    assert unwrap(["/bin/ls", "--"]) is None
    assert unwrap([]) is None


@pytest.mark.parametrize(
    "words",
    [
        ["--sandbox-policy", '{"type":"read-only"}'],
        ["--sandbox-policy", '{"type":"read-only"}', "--"],
        ["--sandbox-policy", "{", "--", "ls"],
        ["--", "ls"],
        [
            "--sandbox-policy",
            '{"type":"read-only"}',
            "--sandbox-policy",
            '{"type":"danger-full-access"}',
            "--",
            "ls",
        ],
        [
            "--sandbox-policy",
            '{"type":"read-only"}',
            "--permission-profile",
            '{"type":"disabled"}',
            "--",
            "ls",
        ],
        ["--sandbox-policy", '{"type":"read-only"}', "--more", "x", "--", "ls"],
        ["--sandbox-policy", '{"type":"read-only"}', "--sandbox-policy-cwd", "w", "--", "ls"],
        ["ls"],
    ],
)
def test_a_wrapped_command_line_that_is_not_understood_is_refused(words):
    with pytest.raises(SandboxPolicyError):
        unwrap(["codex-linux-sandbox", *words])
