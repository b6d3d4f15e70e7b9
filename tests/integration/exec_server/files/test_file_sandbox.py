"""What a sandbox keeps file services from, in both engines: refused writes are errors, and nothing is written."""

import asyncio
import errno
import os
import signal
import stat
from pathlib import Path

import pytest

from integration.exec_server.files.subject import policy, workspace_write
from shelltool.errors import SandboxUnavailableError
from shelltool.exec_server.files import helper_pool
from shelltool.exec_server.files.calls import LocalCalls
from shelltool.exec_server.files.copying import copy
from shelltool.exec_server.files.folders import create_folder
from shelltool.exec_server.files.helper_pool import Helpers
from shelltool.exec_server.files.removing import remove
from shelltool.exec_server.files.service import LocalFiles
from shelltool.exec_server.files.workers import FileWorkers
from shelltool.sandbox.engine import Refusal

ENGINES = ("bubblewrap", "landlock")
REFUSED = {errno.EROFS, errno.EACCES, errno.EXDEV, errno.EBUSY}
INVISIBLE = {errno.ENOENT, errno.EACCES}


@pytest.fixture(params=ENGINES)
def subject(request, subject_of):
    return subject_of(request.param)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path.resolve() / "outside"
    folder.mkdir()
    (folder / "secret").write_text("secret", encoding="utf-8")
    return folder


def everything_that_writes(subject, outside):
    """Requests that would change something outside, if they could."""
    own = subject.put("own")
    target = str(outside / "secret")
    new = str(outside / "new")
    return [
        ("writeFile", {"path": target, "dataBase64": "eA=="}),
        ("writeFile", {"path": new, "dataBase64": "eA=="}),
        ("open", {"path": target, "handleId": "h", "mode": "replace"}),
        ("createDirectory", {"path": new}),
        ("createDirectory", {"path": new, "recursive": False}),
        ("remove", {"path": target}),
        ("remove", {"path": str(outside)}),
        ("copy", {"sourcePath": own, "destinationPath": new, "recursive": False}),
        ("copy", {"sourcePath": own, "destinationPath": target, "recursive": False}),
        ("copy", {"sourcePath": subject.path(), "destinationPath": new, "recursive": True}),
        ("rename", {"sourcePath": own, "destinationPath": new}),
        ("rename", {"sourcePath": target, "destinationPath": subject.path("stolen")}),
    ]


def test_nothing_outside_is_written(subject, outside):
    for method, params in everything_that_writes(subject, outside):
        assert subject.refused(method, **params).data["errno"] in REFUSED, method
    assert {path.name: path.read_text(encoding="utf-8") for path in outside.iterdir()} == {"secret": "secret"}
    assert (subject.folder / "own").read_bytes() == b"content"


def test_no_link_and_no_dots_lead_outside(subject, outside):
    os.symlink(outside, subject.path("folder"))
    os.symlink(outside / "secret", subject.path("file"))
    os.symlink(outside / "new", subject.path("dangling"))
    for path in ("folder/secret", "folder/new", "file", "dangling", "../outside/new", "../outside/secret"):
        error = subject.refused("writeFile", path=subject.path() + "/" + path, dataBase64="eA==")
        assert error.data["errno"] in REFUSED
    for magic in ("cwd", "root", "fd/0", "fd/1", "fd/2"):
        path = f"/proc/self/{magic}" + (str(outside / "new") if magic in {"cwd", "root"} else "")
        assert subject.refused("writeFile", path=path, dataBase64="eA==").code < 0
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_policy_of_reading_writes_nothing_at_all(subject):
    sandbox = policy(("root", "read"), cwd=subject.folder)
    for path in (subject.path("f"), "/dev/shm/exec-server-test", "/tmp/exec-server-test"):
        error = subject.refused("writeFile", path=path, dataBase64="eA==", sandbox=sandbox)
        assert error.data["errno"] in REFUSED
        assert not os.path.lexists(path)


def test_where_only_some_folders_can_be_read_nothing_is_lost_elsewhere(subject, outside):
    sandbox = policy((subject.path(), "write"), cwd=subject.folder)
    subject("writeFile", path=subject.path("f"), dataBase64="eA==", sandbox=sandbox)
    assert (subject.folder / "f").read_bytes() == b"x"
    for path in (str(outside / "secret"), "/etc/passwd"):
        assert subject.refused("readFile", path=path, sandbox=sandbox).data["errno"] in INVISIBLE
    for path in ("/tmp/exec-server-test", str(outside / "new"), "/dev/shm/exec-server-test"):
        assert subject.refused("writeFile", path=path, dataBase64="", sandbox=sandbox).code < 0
        assert not os.path.lexists(path)


def test_removing_by_force_what_can_not_be_read_is_an_error(subject, outside):
    sandbox = policy((subject.path(), "write"), cwd=subject.folder)
    for path in (str(outside / "secret"), str(outside / "nothing")):
        assert subject.refused("remove", path=path, sandbox=sandbox).data["errno"] == errno.EACCES
    assert (outside / "secret").exists()
    subject("remove", path=subject.path("nothing"), sandbox=sandbox)


def test_what_is_denied_is_not_read(subject):
    secret = subject.put("deep/secret", b"secret")
    env = subject.put("deep/.env", b"secret")
    sandbox = policy(("root", "read"), ("project_roots", "write"), (secret, "deny"), cwd=subject.folder)
    sandbox["permissions"]["file_system"]["entries"].append(
        {"path": {"type": "glob_pattern", "pattern": "**/.env"}, "access": "none"}
    )
    for path in (secret, env):
        assert subject.refused("readFile", path=path, sandbox=sandbox).data["errno"] in INVISIBLE
        assert subject.refused("open", path=path, handleId="h", sandbox=sandbox).data["errno"] in INVISIBLE
    assert subject("readFile", path=subject.put("deep/other"), sandbox=sandbox).data_base64 == b"content"


@pytest.mark.parametrize("name", [".git", ".codex", ".agents", ".GIT"])
def test_protected_names_are_not_created(subject, name):
    path = subject.path(name)
    subject.put("folder/f")
    for method, params in (
        ("createDirectory", {"path": path}),
        ("createDirectory", {"path": path + "/hooks"}),
        ("writeFile", {"path": path, "dataBase64": ""}),
        ("copy", {"sourcePath": subject.path("folder"), "destinationPath": path, "recursive": True}),
        ("copy", {"sourcePath": subject.path("folder/f"), "destinationPath": path, "recursive": False}),
        ("rename", {"sourcePath": subject.path("folder"), "destinationPath": path}),
        ("createDirectory", {"path": subject.path("folder", "..", name)}),
    ):
        assert subject.refused(method, **params).data["errno"] in REFUSED, method
    os.symlink(name, subject.path("link"))
    assert subject.refused("writeFile", path=subject.path("link"), dataBase64="").data["errno"] in REFUSED
    assert name not in os.listdir(subject.path())
    assert subject("createDirectory", path=subject.path("folder", name)) is not None


def test_a_protected_name_is_not_held_by_a_placeholder_meanwhile(subject):
    subject("writeFile", path=subject.path("f"), dataBase64="")
    assert subject.tree() == {"f"}


def test_a_repository_that_came_later_is_protected(subject):
    subject("writeFile", path=subject.path("f"), dataBase64="")
    os.mkdir(subject.path(".git"))
    hook = subject.path(".git", "hook")
    assert subject.refused("writeFile", path=hook, dataBase64="").data["errno"] in REFUSED
    subject.put(".git/config")
    assert subject.refused("writeFile", path=hook, dataBase64="").data["errno"] in REFUSED
    assert subject.refused("remove", path=subject.path(".git")).data["errno"] in REFUSED
    assert subject("readFile", path=subject.path(".git", "config")).data_base64 == b"content"


def test_a_folder_that_was_replaced_is_the_new_one(subject):
    subject("writeFile", path=subject.path("old"), dataBase64="")
    os.rename(subject.path(), str(subject.folder) + ".old")
    os.mkdir(subject.path())
    subject("writeFile", path=subject.path("new"), dataBase64="")
    assert subject.tree() == {"new"}


def test_the_server_itself_is_not_seen(subject):
    own = subject("readFile", path="/proc/self/environ").data_base64
    assert own == b"CODEX_SANDBOX_NETWORK_DISABLED=1\0"
    assert subject.refused("readFile", path=f"/proc/{os.getpid()}/environ").data["errno"] in INVISIBLE


def test_older_sandbox_objects_hold_too(subject, outside):
    sandbox = {
        "sandboxPolicy": {
            "type": "workspace-write",
            "exclude_slash_tmp": True,
            "exclude_tmpdir_env_var": True,
        },
        "sandboxPolicyCwd": subject.path(),
        "windowsSandboxLevel": "disabled",
    }
    subject("writeFile", path=subject.path("f"), dataBase64="", sandbox=sandbox)
    error = subject.refused("writeFile", path=str(outside / "new"), dataBase64="", sandbox=sandbox)
    assert error.data["errno"] in REFUSED


@pytest.mark.parametrize(
    "sandbox",
    [
        {},
        {"permissions": {"type": "unheard-of"}, "windowsSandboxLevel": "disabled"},
        {"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled", "newRestriction": True},
        {"sandboxPolicy": {"type": "workspace-write"}, "windowsSandboxLevel": "disabled"},
    ],
)
def test_a_sandbox_that_is_not_understood_is_refused(subject, sandbox):
    path = subject.path("f")
    assert subject.refused("writeFile", path=path, dataBase64="", sandbox=sandbox).code == -32602
    assert not os.path.exists(path)


def test_no_sandbox_is_none(subject, outside):
    sandbox = {"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled"}
    subject("writeFile", path=str(outside / "new"), dataBase64="", sandbox=sandbox)
    assert (outside / "new").exists()


def test_blocks_are_written_as_the_sandbox_of_the_handle_allowed(subject):
    subject("open", path=subject.path("f"), handleId="h", mode="replace")
    subject("writeBlock", handleId="h", offset=0, chunk="aGk=")
    assert (subject.folder / "f").read_bytes() == b"hi"


def test_no_copy_gives_its_owners_rights_away(subject):
    path = subject.put("program")
    os.chmod(path, 0o4755)  # noqa: S103 - that is the point
    subject("copy", sourcePath=path, destinationPath=subject.path("copy"), recursive=False)
    assert stat.S_IMODE(os.stat(subject.path("copy")).st_mode) == 0o755


def test_requests_at_once_are_all_answered(subject):
    for number in range(50):
        subject.put(f"f{number}", b"%d" % number)
    rows = {number: subject.path(f"f{number}") for number in range(50)}

    async def all_at_once():
        from shelltool.exec_server.files.messages import ReadFile

        return await asyncio.gather(
            *(
                subject.service.read_file(ReadFile(path=path, sandbox=subject.sandbox))
                for path in rows.values()
            )
        )

    found = subject.runner.run(asyncio.wait_for(all_at_once(), 30))
    assert [result.data_base64 for result in found] == [b"%d" % number for number in rows]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_helper_serves_a_policy_and_is_replaced_when_it_dies(engine, helpers_of, tmp_path):
    helpers = helpers_of(engine)
    sandbox = workspace_write(tmp_path.resolve())
    seen = set()
    for _ in range(3):
        with helpers.serving(sandbox) as calls:
            seen.add(calls._helper._process.pid)
            calls.status("/")
    assert (len(seen), helpers.count) == (1, 1)
    with helpers.serving(sandbox) as calls:
        os.killpg(calls._helper._process.pid, signal.SIGKILL)
        with pytest.raises(SandboxUnavailableError, match="fs sandbox helper failed"):
            calls.status("/")
    with helpers.serving(sandbox) as calls:
        calls.status("/")
        process = calls._helper._process
        assert process.pid not in seen
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    with helpers.serving(sandbox) as calls:
        calls.status("/")


@pytest.mark.parametrize("engine", ENGINES)
def test_helpers_are_few_and_end_when_idle(engine, helpers_of, tmp_path):
    now = 0.0
    helpers = helpers_of(engine, limit=2, idle_s=60, clock=lambda: now)
    processes = []
    for number in range(4):
        now += 1
        folder = tmp_path.resolve() / str(number)
        folder.mkdir()
        with helpers.serving(workspace_write(folder)) as calls:
            calls.status("/")
            processes.append(calls._helper._process)
        assert helpers.count <= 2
    assert [process.returncode is None for process in processes] == [False, False, True, True]
    now += 59.5
    assert helpers.end_idle()
    assert [process.returncode is None for process in processes[2:]] == [False, True]
    now += 60
    assert not helpers.end_idle()
    assert processes[3].returncode is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_left_open_when_the_helpers_are_closed(engine, helpers_of, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    helpers = helpers_of(engine)
    with helpers.serving(workspace_write(tmp_path.resolve())) as calls:
        process = calls._helper._process
        opened = calls.open("/", os.O_RDONLY)
        assert not os.get_inheritable(opened)
        os.close(opened)
    helpers.close()
    assert process.returncode is not None
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(SandboxUnavailableError), helpers.serving(workspace_write(tmp_path)):
        pass


def test_nothing_is_left_open_when_a_path_can_not_be_watched(helpers_of, tmp_path, monkeypatch):
    helpers, pin = helpers_of(ENGINES[0]), helper_pool._pin
    opened: list[int] = []

    def fail_later(path):
        if len(opened) == 2:
            raise SandboxUnavailableError(f"{path}: gone")
        opened.append(pin(path))
        return opened[-1]

    monkeypatch.setattr(helper_pool, "_pin", fail_later)
    with pytest.raises(SandboxUnavailableError, match="gone"), helpers.serving(workspace_write(tmp_path)):
        pass
    assert len(opened) == 2
    assert not any(os.path.lexists(f"/proc/self/fd/{fd}") for fd in opened)


@pytest.mark.parametrize("what", ["engine", "program"])
def test_nothing_is_done_where_no_sandbox_works(what, runner, tmp_path, engine_named):
    engine = Refusal(declined=("tests",)) if what == "engine" else engine_named("bubblewrap")
    helpers = Helpers(engine=lambda: engine, program=lambda: Path("/no/such/program"))
    workers = FileWorkers(helpers)

    async def nobody(method, params):
        raise AssertionError(method)

    from integration.exec_server.files.subject import Subject

    subject = Subject("none", LocalFiles(workers, nobody), runner, tmp_path, workspace_write(tmp_path))
    error = subject.refused("writeFile", path=subject.path("f"), dataBase64="")
    assert error.code == -32603
    assert subject.tree() == set()
    runner.run(workers.close())


class Swapping(LocalCalls):
    """Puts a link in the place of a folder named `a` just before it is opened, for the first or the second time."""

    def __init__(self, target, time):
        self.target = target
        self.left = time

    def open(self, path, flags, mode=0o666, *, folder=None):
        if path == "a" and folder is not None:
            self.left -= 1
            if self.left == 0:
                os.rename("a", "aside", src_dir_fd=folder, dst_dir_fd=folder)
                os.symlink(self.target, "a", dir_fd=folder)
        return super().open(path, flags, mode, folder=folder)


@pytest.mark.parametrize("what", ["remove", "copy from", "copy to", "create"])
def test_a_folder_that_becomes_a_link_leads_nowhere(what, tmp_path, outside):
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / "a").mkdir(parents=True)
    (other / "a" / "new").mkdir(parents=True)
    calls = Swapping(outside, 2 if what == "copy to" else 1)
    with pytest.raises(OSError, match="Not a directory"):
        match what:
            case "remove":
                remove(calls, str(tree), recursive=True, force=True)
            case "copy from":
                copy(calls, str(tree), str(tmp_path / "copy"), recursive=True)
            case "copy to":
                copy(calls, str(other), str(tree), recursive=True)
            case "create":
                create_folder(calls, str(tree / "a" / "new"), recursive=False, follow=False)
    assert calls.left <= 0
    assert [path.name for path in outside.iterdir()] == ["secret"]
