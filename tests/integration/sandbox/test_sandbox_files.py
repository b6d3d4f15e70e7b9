"""What can be read and written in a sandbox, and every way around that we could think of."""

import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integration.sandbox.conftest import BWRAP
from integration.sandbox.waiting import until
from integration.sandbox.world import FULL_ACCESS, READ_ONLY, WORKSPACE, World
from shelltool.sandbox import Engine, Op, OpKind
from shelltool.sandbox.plan import SandboxPlan

WRITES = {
    "create": "echo x > @root@/outside/new",
    "overwrite": "echo x > @root@/outside/secret",
    "append": "echo x >> @root@/outside/secret",
    "truncate": "truncate -s 0 @root@/outside/secret",
    "truncate by name": "/usr/bin/python3 -I -S -c 'import os; os.truncate(\"@root@/outside/secret\", 0)'",
    "remove": "rm -f @root@/outside/secret",
    "rename": "mv @root@/outside/secret @root@/outside/other",
    "move in": "mv @root@/outside/secret moved",
    "move out": "touch mine && mv mine @root@/outside/",
    "folder": "mkdir @root@/outside/new",
    "link": "ln -s x @root@/outside/new",
    "pipe": "mkfifo @root@/outside/new",
    "hard link out": "touch mine && ln mine @root@/outside/new",
    "hard link in": "ln @root@/outside/secret mine",
    "through a link to a folder": "ln -s @root@/outside out; echo x > out/new",
    "through a link to a file": "ln -s @root@/outside/secret s; echo x > s",
    "through a link to nothing": "ln -s @root@/outside/new s; echo x > s",
    "through ..": "echo x > ../outside/new",
    "through /proc/self/root": "echo x > /proc/self/root/@root@/outside/secret",
    "through /proc/self/cwd": "echo x > /proc/self/cwd/../outside/secret",
    "through an open file": "exec 3<@root@/outside/secret; echo x > /proc/self/fd/3",
    "through a folder kept open": "cd @root@/outside; echo x > /proc/self/cwd/secret",
}


@pytest.fixture(params=["bubblewrap", "bubblewrap alone", "landlock"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Also without Landlock inside, as in older kernels: then the mounts have to be enough."""
    return str(request.param)


def outside(world: World) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in world.outside.iterdir()}


@pytest.mark.parametrize("way", WRITES)
def test_nothing_outside_the_workspace_can_be_written(world: World, way):
    world.put("ws/sub/file")
    script = WRITES[way]
    if not world.bwrap:  # where nothing can be created in the workspace itself
        script = f"cd sub; {script}" if way != "through .." else "echo x > ../outside/new"
    world.fails(script)
    assert outside(world) == {"secret": "secret\n"}


@pytest.mark.parametrize("way", WRITES)
def test_a_read_only_sandbox_writes_nothing(world: World, way):
    secret = world.put("ws/secret", "secret\n")
    world.fails(WRITES[way].replace("outside", "ws"), READ_ONLY)
    world.fails(WRITES[way], READ_ONLY)
    assert outside(world) == {"secret": "secret\n"}
    assert [path.name for path in world.ws.iterdir()] == ["secret"]
    assert secret.read_text(encoding="utf-8") == "secret\n"


@pytest.mark.parametrize("way", WRITES)
def test_without_a_sandbox_each_of_these_attacks_works(mounts: World, way):
    before = {path: path.lstat() for path in mounts.root.rglob("*")}
    mounts.output(WRITES[way], FULL_ACCESS)
    assert {path: path.lstat() for path in mounts.root.rglob("*")} != before


def test_everything_can_be_read(world: World):
    assert world.output("cat @root@/outside/secret; cat /etc/hostname >/dev/null", READ_ONLY) == "secret"


def test_the_workspace_can_be_written(mounts: World):
    mounts.output("echo one > one; mkdir -p a/b; mv one a/b/; echo two >> a/b/one; rm -r a; echo done > end")
    until(lambda: [path.name for path in mounts.ws.iterdir()] == ["end"], "something else is there")


def test_landlock_lets_folders_of_the_workspace_be_written_but_not_the_workspace_itself(rules: World):
    rules.put("ws/sub/file")
    rules.put("ws/top", "old")
    rules.output(
        "echo new > top; cd sub; echo one > one; mkdir -p a/b; mv one a/b/; mv a/b/one .; rm file; rm -r a"
    )
    assert [path.name for path in (rules.ws / "sub").iterdir()] == ["one"]
    assert (rules.ws / "top").read_text(encoding="utf-8") == "new\n"
    rules.fails("touch other")
    rules.fails("rm top")


def test_more_roots_can_be_written(mounts: World):
    roots = [str(mounts.outside)]
    mounts.output("echo x > ../outside/new; echo y > here", writable_roots=roots)
    assert (mounts.outside / "new").read_text(encoding="utf-8") == "x\n"


def test_a_file_can_be_a_root(world: World):
    secret = world.outside / "secret"
    world.output("echo x > ../outside/secret", writable_roots=[str(secret)])
    assert secret.read_text(encoding="utf-8") == "x\n"
    world.fails("rm ../outside/secret", writable_roots=[str(secret)])


@pytest.mark.parametrize(
    ("key", "folder"), [("exclude_slash_tmp", "/tmp"), ("exclude_tmpdir_env_var", "@root@/tmp")]
)
def test_folders_for_temporary_files_are_written_unless_excluded(world: World, key, folder):
    name = f"{folder}/sandbox-test-{os.getpid()}-{id(world)}"
    world.output(f"mkdir {name}; echo x > {name}/file; rm -r {name}", WORKSPACE | {key: False})
    world.fails(f"mkdir {name}", WORKSPACE | {key: True})


@pytest.mark.parametrize("name", [".git", ".codex", ".agents"])
@pytest.mark.parametrize(
    "attack",
    [
        "echo x > @/config",
        "echo x > @/new",
        "rm -rf @",
        "mv @ other",
        "mkdir @/hooks",
        "ln -s x @/new",
        "mkdir new && mv -T new @",
        "ln -sfn /tmp @",
        "exec 3<@/config; echo x > /proc/self/fd/3",
        "ln @/config here && echo x > here",
    ],
)
def test_protected_folders_can_only_be_read(world: World, name, attack):
    config = world.put(f"ws/{name}/config", "config\n")
    assert world.output(f"cat {name}/config") == "config"
    world.fails(attack.replace("@", name))
    assert config.read_text(encoding="utf-8") == "config\n"
    assert [path.name for path in config.parent.iterdir()] == ["config"]


CREATIONS = [
    "mkdir @",
    "mkdir @; echo x > @/config",
    "touch @ && test -f @",
    "ln -s sub @ && test -L @",
    "ln -s @ dangling; echo x > dangling",
    "mkdir sub/evil; mv -T sub/evil @",
    "touch sub/evil; mv -T sub/evil @",
    "touch sub/evil; ln sub/evil @",
    "mkfifo @",
    "cd /proc/self/cwd; mkdir @",
    "cp -r sub @ && test -e @/file",
]


@pytest.mark.parametrize("name", [".git", ".codex", ".agents"])
@pytest.mark.parametrize("attack", [*CREATIONS, "rmdir @ && mkdir @", "mv @ sub/other && mkdir @"])
def test_protected_names_that_do_not_exist_can_not_be_created(world: World, name, attack):
    world.put("ws/sub/file")
    world.fails(attack.replace("@", name))
    until(lambda: not (world.ws / name).exists(), "a placeholder was left")
    assert not (world.ws / name).is_symlink()


@pytest.mark.parametrize("attack", CREATIONS)
def test_without_a_sandbox_each_of_these_creates_the_name(mounts: World, attack):
    mounts.put("ws/sub/file")
    mounts.output(attack.replace("@", ".git"), FULL_ACCESS)
    assert (mounts.ws / ".git").exists() or (mounts.ws / ".git").is_symlink()


def test_names_further_down_are_not_protected(world: World):
    world.put("ws/sub/file")
    world.output("mkdir sub/.git; echo x > sub/.git/config")


def test_a_git_file_and_what_it_points_to_can_only_be_read(world: World):
    world.put("ws/.git", f"gitdir: {world.ws}/store/worktrees/one\n")
    world.put("ws/store/worktrees/one/commondir", "../..\n")
    world.put("ws/store/config", "config\n")
    world.put("ws/src/file")
    world.output("echo x > src/file")
    for attack in ("echo x > .git", "rm .git", "mv .git git", "echo x > store/config", "mv store other"):
        world.fails(attack)
    world.fails("echo x > store/worktrees/one/HEAD")
    world.fails("mv store/worktrees old")


def test_a_link_named_git_can_not_be_replaced_nor_what_it_leads_to_written(world: World):
    world.put("ws/store/config", "config\n")
    world.put("ws/src/file")
    (world.ws / ".git").symlink_to("store")
    world.output("echo x > src/file; touch src/new")
    for attack in ("rm .git", "ln -sfn src .git", "mv .git git", "echo x > .git/config", "mv store other"):
        world.fails(attack)
    assert (world.ws / "store/config").read_text(encoding="utf-8") == "config\n"
    assert any(".git is a link" in note for note in world.plan().notes)


def test_an_explicit_root_beats_the_protection_of_a_name(mounts: World):
    mounts.put("ws/.git/config")
    mounts.output("echo x > .git/config", writable_roots=[str(mounts.ws / ".git")])


def test_folders_around_a_protected_one_can_not_be_moved_away(world: World):
    workspace = world.put("outside/a/b/ws/.git/config").parents[1]
    roots: dict[str, Any] = {"writable_roots": [str(world.outside), str(world.root / "tmp")]}
    world.put("outside/a/b/other")
    world.output("echo x > ../other", cwd=workspace, **roots)
    for attack in (
        "mv ../../../a ../../../z",
        "mv ../../b ../../z",
        "mv ../ws ../z",
        "mv ../../../../outside ../../../../tmp/z",
    ):
        world.fails(attack, cwd=workspace, **roots)
    assert (workspace / ".git/config").exists()


def test_programs_of_ours_can_not_be_replaced_from_inside(world: World):
    """As where the server is installed in a virtual environment inside the workspace."""
    helper = world.ws / "venv/bin/codex-linux-sandbox"
    helper.parent.mkdir(parents=True)
    shutil.copy(world.engine.programs[0], helper)
    world.own()
    before = helper.read_bytes()
    world.engine = replace(world.engine, helper=str(helper))  # type: ignore[call-arg]
    for attack in (
        "echo x > venv/bin/codex-linux-sandbox",
        "mv venv/bin venv/old",
        "mv venv old",
        "rm -r venv",
    ):
        world.fails(attack)
    assert helper.read_bytes() == before


def test_devices_can_be_used_but_nothing_is_created_among_them(world: World):
    world.output("echo x > /dev/null; head -c 1 /dev/urandom > /dev/null; head -c 1 /dev/zero >/dev/null")
    world.fails("touch /dev/new")
    world.fails("echo x > /dev/shm/../new")


@pytest.mark.parametrize("engine_name", ["bubblewrap", "landlock"])
def test_a_named_pipe_outside_can_not_be_written(world: World):
    """Mounts alone do not keep anybody from it; `engine.limitations` says so."""
    pipe = world.outside / "pipe"
    os.mkfifo(pipe)
    world.own()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        world.fails("echo x > ../outside/pipe")
    finally:
        os.close(reader)


@pytest.mark.parametrize("kind", [READ_ONLY, WORKSPACE])
def test_settings_of_the_machine_can_not_be_changed(world: World, kind):
    """Not by root either, who needs no capability for it. Opened for writing only: nothing is changed where it works."""
    for setting in ("kernel/core_pattern", "kernel/modprobe", "vm/overcommit_memory", "net/ipv4/ip_forward"):
        world.fails(f": >> /proc/sys/{setting}", kind)
    world.fails(": >> /proc/sysrq-trigger", kind)
    world.fails(": >> /sys/kernel/uevent_helper || : >> /sys/kernel/profiling", kind)
    if world.user.uid == 0:
        world.output(": >> /proc/sys/kernel/core_pattern", FULL_ACCESS)


def test_what_a_profile_does_not_list_can_not_be_read(world: World):
    world.put("ws/file", "mine\n")
    entries: list[dict[str, Any]] = [
        {"path": {"type": "special", "value": {"kind": "minimal"}}, "access": "read"},
        {"path": {"type": "path", "path": f"file://{world.root}/bin"}, "access": "read"},
        {"path": {"type": "special", "value": {"kind": "project_roots"}}, "access": "read"},
    ]
    context = profile(entries)
    assert world.output("cat file", context) == "mine"
    world.fails("cat @root@/outside/secret", context)
    world.fails("ls /root /var/log", context)
    for place in ("/tmp/lost", "/lost", "@root@/lost", "file", "new"):
        world.fails(f"echo x > {place}", context)


def test_what_a_profile_denies_can_be_neither_read_nor_written(world: World):
    world.put("ws/.env", "password\n")
    world.put("ws/deep/er/.env", "password\n")
    world.put("ws/vault/key", "key\n")
    world.put("ws/vault/public/cert", "cert\n")
    world.put("ws/code/file", "code\n")
    entries: list[dict[str, Any]] = [
        {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
        {"path": {"type": "special", "value": {"kind": "project_roots"}}, "access": "write"},
        {"path": {"type": "glob_pattern", "pattern": "**/.env"}, "access": "deny"},
        {"path": {"type": "path", "path": str(world.ws / "vault")}, "access": "none"},
        {"path": {"type": "path", "path": str(world.ws / "vault/public")}, "access": "read"},
    ]
    context = profile(entries)
    assert world.output("cat code/file vault/public/cert; echo new > code/file", context) == "code\ncert"
    for denied in (".env", "deep/er/.env", "vault/key"):
        world.fails(f"cat {denied}", context)
        world.fails(f"echo x > {denied}", context)
        assert (world.ws / denied).read_text(encoding="utf-8") in {"password\n", "key\n"}
    world.fails("ls vault/ | grep key", context)
    for attack in ("mv vault other", "mv deep other", "echo x > vault/new", "echo x > vault/public/cert"):
        world.fails(attack, context)


def profile(entries: list[dict[str, Any]], network: str = "restricted") -> dict[str, Any]:
    files = {"type": "restricted", "entries": entries}
    return {
        "windowsSandboxLevel": "disabled",
        "permissions": {"type": "managed", "network": network, "file_system": files},
    }


def test_files_that_lend_their_owners_rights_can_not_be_made(world: World):
    world.put("ws/sub/file")
    for mode in ("u+s", "g+s", "4755", "2755"):
        world.fails(f"chmod {mode} sub/file")
    world.output("chmod 755 sub/file; chmod u-s sub/file")
    assert stat.S_IMODE((world.ws / "sub/file").stat().st_mode) == 0o755


def test_a_rule_for_a_path_that_has_become_a_link_gives_nothing(rules: World):
    plan = replace(rules.plan(READ_ONLY), ops=(Op(OpKind.WRITABLE, f"{rules.ws}/way/inner"),))
    rules.put("outside/inner/file")
    (rules.ws / "way").symlink_to(rules.outside)
    assert "Permission denied" in rules.fails("echo x > @root@/outside/inner/file", plan)
    (rules.ws / "way").unlink()
    (rules.ws / "way").mkdir()
    (rules.ws / "way/inner").symlink_to(rules.outside / "inner")
    assert "Permission denied" in rules.fails("echo x > @root@/outside/inner/file", plan)


def test_bubblewrap_works_here_if_it_works_without_us(engines: dict[str, Engine | str]):
    """So that a fault of ours does not look like one of the machine."""
    plain = [
        BWRAP,
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "/bin/true",
    ]
    works = Path(BWRAP).exists() and subprocess.run(plain, timeout=60, check=False).returncode == 0
    assert isinstance(engines["bubblewrap"], Engine) == works


def test_a_plan_names_what_it_keeps_from_being_created(mounts: World):
    plan: SandboxPlan = mounts.plan()
    assert [Path(path).name for path in plan.paths(OpKind.RESERVED)] == [".agents", ".codex", ".git"]
