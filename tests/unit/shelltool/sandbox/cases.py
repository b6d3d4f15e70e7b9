"""Typical plans, for rendering."""

from shelltool.sandbox.grants import Grants, Surroundings, grants_of_policy, grants_of_profile
from shelltool.sandbox.permissions import parse_profile
from shelltool.sandbox.plan import SandboxPlan, make_plan
from shelltool.sandbox.policy import parse_policy
from unit.shelltool.sandbox.facts import Tree, facts

AROUND = Surroundings(cwd="/home/u/work", tmpdir="/scratch/u")
TREE: Tree = {
    "/bin": "-> /usr/bin",
    "/usr/bin/git": "file",
    "/etc/passwd": "file",
    "/dev/null": "file",
    "/dev/tty": "file",
    "/dev/sda": "file",
    "/proc": "dir",
    "/tmp/other": "dir",
    "/scratch/u": "dir",
    "/home/u/.ssh/key": "file",
    "/home/u/work/.git/config": "file",
    "/home/u/work/Makefile": "file",
    "/home/u/work/src/main.c": "file",
    "/home/u/work/latest": "-> /home/u/work/src",
    "/home/u/linked/.git": "-> /home/u/linked/store",
    "/home/u/linked/store/config": "file",
    "/home/u/linked/src/a.c": "file",
    "/home/u/tree/.git": "file",
    "/home/u/tree/a.c": "file",
    "/home/u/tree/repo/worktrees/t/HEAD": "file",
    "/data/vault/public/cert": "file",
    "/data/vault/key": "file",
    "/data/.env": "file",
    "/data/big/.env": "file",
    "/tools/bin/helper": "file",
}


def _policy(tree: Tree = TREE, cwd: str = "/home/u/work", **keys: object) -> SandboxPlan:
    grants = grants_of_policy(parse_policy(keys), Surroundings(cwd=cwd, tmpdir="/scratch/u"))
    return _plan(grants, tree)


def _plan(grants: Grants, tree: Tree = TREE, hidden: tuple[str, ...] = ()) -> SandboxPlan:
    pointer = {
        "/home/u/linked/.git": "/home/u/linked/store",
        "/home/u/tree/.git": "/home/u/tree/repo/worktrees/t",
    }
    return make_plan(grants, facts(grants, tree, hidden=hidden, targets=pointer))


def _profile() -> SandboxPlan:
    entries = [
        {"path": {"type": "special", "value": {"kind": "minimal"}}, "access": "read"},
        {"path": {"type": "path", "path": "/data"}, "access": "write"},
        {"path": {"type": "path", "path": "/data/vault"}, "access": "none"},
        {"path": {"type": "path", "path": "/data/vault/public"}, "access": "read"},
        {"path": {"type": "glob_pattern", "pattern": "/data/**/.env"}, "access": "deny"},
    ]
    document = {
        "type": "managed",
        "network": "enabled",
        "file_system": {"type": "restricted", "entries": entries},
    }
    return _plan(grants_of_profile(parse_profile(document), AROUND), hidden=("/data/.env", "/data/big/.env"))


def _offline() -> SandboxPlan:
    document = {"type": "managed", "file_system": {"type": "unrestricted"}}
    return _plan(grants_of_profile(parse_profile(document), AROUND))


CASES: dict[str, SandboxPlan] = {
    "read-only": _policy(type="read-only"),
    "read-only-online": _policy(type="read-only", network_access=True),
    "workspace": _policy(type="workspace-write"),
    "workspace-in-tmp": _policy(
        {**TREE, "/tmp/a/b/.git/config": "file"}, cwd="/tmp/a/b", type="workspace-write"
    ),
    "workspace-alone": _policy(type="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True),
    "linked-git": _policy(
        cwd="/home/u/linked", type="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True
    ),
    "git-file": _policy(
        cwd="/home/u/tree", type="workspace-write", exclude_slash_tmp=True, exclude_tmpdir_env_var=True
    ),
    "profile": _profile(),
    "offline": _offline(),
}
