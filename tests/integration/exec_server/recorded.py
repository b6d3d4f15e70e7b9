"""The recorded list: what both servers are asked, in this order, each in a folder of its own with the same content.

`At("name")` is a path below that folder, written as a URI or as it is; `Run` starts a process and follows it to its
close. Names are the keys of the list of differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.exec_server.wire import encoded

PATH = {"PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True)
class At:
    """A path below the folder of a server."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request."""

    name: str
    method: str
    params: dict[str, Any]
    newer: bool = False
    """The older release does not have the method, or not this member."""


@dataclass(frozen=True, slots=True)
class Run:
    """A process, from start to close."""

    name: str
    argv: tuple[str, ...]
    params: dict[str, Any] = field(default_factory=dict)
    stdin: tuple[bytes, ...] = ()
    newer: bool = False


Step = Ask | Run


def lay_out(root: Path) -> None:
    """Make what the requests are about."""
    (root / "f").write_bytes(b"hello\n")
    (root / "empty").write_bytes(b"")
    (root / "bytes").write_bytes(bytes(range(256)))
    (root / "a b#%?").write_bytes(b"odd")
    (root / "dir/sub/deep").mkdir(parents=True)
    (root / "dir/one").write_bytes(b"1")
    (root / "dir/.hidden").mkdir()
    (root / "dir/.hidden/x").write_bytes(b"x")
    (root / "dir/sub/two").write_bytes(b"22")
    (root / "to-f").symlink_to("f")
    (root / "to-dir").symlink_to("dir")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "secret").write_bytes(b"s")
    (root / "script").write_text("#!/bin/sh\necho script $1\n", encoding="utf-8")
    (root / "script").chmod(0o755)
    (root / "plain").write_text("echo no line\n", encoding="utf-8")


def steps() -> Iterator[Step]:
    """Give the list."""
    yield from _protocol()
    yield from _running()
    yield from _starting()
    yield from _asking_about_processes()
    yield from _environment()
    yield from _reading_files()
    yield from _writing_files()
    yield from _folders()
    yield from _walking()
    yield from _removing_and_copying()
    yield from _handles()
    yield from _sandboxed()


def _protocol() -> Iterator[Step]:
    yield Ask("unknown method", "nope/x", {})
    yield Ask("initialize again", "initialize", {"clientName": "again"})
    yield Ask("initialize without a name", "initialize", {})
    yield Ask("name of another type", "initialize", {"clientName": 5})
    yield Ask("unknown members", "process/terminate", {"processId": "nobody", "other": [1]})
    for method in (
        "process/start",
        "process/read",
        "process/write",
        "process/terminate",
        "fs/readFile",
        "fs/writeFile",
    ):
        yield Ask(f"{method} with nothing", method, {})
        yield Ask(f"{method} with a number", method, {"processId": 5, "path": 5})
    for method in ("process/signal", "fs/canonicalize", "fs/walk", "fs/open", "fs/readBlock", "fs/close"):
        yield Ask(f"{method} with nothing", method, {}, newer=True)
    for method in (
        "fs/copy",
        "fs/remove",
        "fs/createDirectory",
        "fs/getMetadata",
        "fs/readDirectory",
        "http/request",
    ):
        yield Ask(f"{method} with nothing", method, {})
    yield Ask("status", "environment/status", {}, newer=True)


def _running() -> Iterator[Step]:
    sh = ("sh", "-c")
    yield Run("true", ("true",))
    yield Run("false", ("false",))
    yield Run("by path", ("/bin/true",))
    yield Run("stdout", (*sh, "echo hi"))
    yield Run("stderr", (*sh, "echo hi >&2"))
    yield Run("no newline", (*sh, "printf x"))
    yield Run("bytes", (*sh, "printf '\\377\\000\\001'"))
    yield Run("exit 3", (*sh, "exit 3"))
    yield Run("exit 255", (*sh, "exit 255"))
    for name in ("TERM", "KILL", "HUP", "INT", "ABRT"):
        yield Run(f"dies of SIG{name}", (*sh, f"kill -{name} $$"))
    yield Run("200 KB", (*sh, "head -c 200000 /dev/zero | tr '\\0' x"))
    yield Run("stdin is empty", ("cat",))
    yield Run("stdin of a pipe", (*sh, "read x; echo got $x"), {"pipeStdin": True}, (b"line\n",))
    yield Run("stdin twice", (*sh, "read x; read y; echo $x-$y"), {"pipeStdin": True}, (b"one\n", b"two\n"))
    yield Run("descriptors", (*sh, "ls /proc/self/fd | wc -l"))
    yield Run("leads its session", (*sh, "ps -o pid=,pgid=,sid= -p $$ | awk '{print $1==$2 && $2==$3}'"))
    yield Run("working folder", ("pwd",), {"cwd": At("dir")})
    yield Run("working folder with odd letters", (*sh, "cat 'a b#%?'"))
    yield Run("relative program", ("./script", "one"))
    yield Run("arg0", (*sh, "echo $0"), {"arg0": "other"})
    yield Run("null arg0", (*sh, "echo $0"), {"arg0": None})
    yield Run("env", ("/usr/bin/env",), {"env": {"A": "1", "B": ""}})
    yield Run("empty env", ("/usr/bin/env",), {"env": {}})
    yield Run("program without PATH", ("true",), {"env": {}})
    policy = {"inherit": "none", "ignoreDefaultExcludes": False, "exclude": [], "set": {}, "includeOnly": []}
    sets = {"SECRET_ONE": "1", "Abc": "2", "MY_KEY": "3", "xyz": "4"}
    for name, change in (
        ("nothing", {}),
        ("set", {"set": sets}),
        ("include", {"set": sets, "includeOnly": ["*_KEY", "a?c"]}),
        ("include with brackets", {"set": sets, "includeOnly": ["[A]bc"]}),
        ("include stars", {"set": sets, "includeOnly": ["*"]}),
        ("exclude does not filter set", {"set": sets, "exclude": ["*"]}),
        ("core filtered", {"inherit": "core", "includeOnly": ["HOME"]}),
        ("core excluded", {"inherit": "core", "exclude": ["*"]}),
        ("all but everything", {"inherit": "all", "exclude": ["*"]}),
        ("all but secrets", {"inherit": "all", "includeOnly": ["RECORDED_*"]}),
        (
            "all with secrets",
            {"inherit": "all", "ignoreDefaultExcludes": True, "includeOnly": ["recorded_*"]},
        ),
    ):
        yield Run(
            f"envPolicy: {name}",
            (*sh, "/usr/bin/env | /usr/bin/sort"),
            {"env": {"FROM": "env", "PATH": "/usr/bin:/bin"}, "envPolicy": {**policy, **change}},
        )
    yield Run("terminal", (*sh, "test -t 0 && test -t 1 && test -t 2 && echo yes"), {"tty": True})
    yield Run("size of a terminal", ("stty", "size"), {"tty": True})
    yield Run("stdin of a terminal", (*sh, "read x; echo got $x"), {"tty": True}, (b"line\n",))
    yield Run("end of file on a terminal", ("cat",), {"tty": True}, (b"\x04",))
    yield Run("terminal exits 4", (*sh, "exit 4"), {"tty": True})
    yield Run("SHELL of a terminal", (*sh, "echo ${SHELL:+set}"), {"tty": True})
    yield Run("dies on a terminal", (*sh, "kill -TERM $$"), {"tty": True})


def _starting() -> Iterator[Step]:
    def start(name: str, **params: Any) -> Ask:
        given = {"processId": name, "argv": ["true"], "cwd": At(), "env": PATH, "tty": False, **params}
        return Ask(f"start: {name}", "process/start", given)

    yield start("no argv", argv=[])
    yield start("empty program", argv=[""])
    yield start("no such program", argv=["no-such-program"])
    yield start("no such path", argv=["/no/such/path"])
    yield start("not executable", argv=["./plain"])
    yield start("a folder", argv=["./dir"])
    yield start("no such folder", cwd=At("nope"))
    yield start("a file as folder", cwd=At("f"))
    yield start("NUL in argv", argv=["true", "a\0b"])
    yield start("NUL in env", env={"A": "a\0b"})
    yield start("number in argv", argv=["true", 5])
    yield start("text for tty", tty="yes")
    yield start("null tty", tty=None)
    yield start("env with a number", env={"A": 1})
    yield start("env null", env=None)
    yield start("policy incomplete", envPolicy={"inherit": "all"})
    yield start(
        "policy unknown",
        envPolicy={
            "inherit": "some",
            "ignoreDefaultExcludes": True,
            "exclude": [],
            "set": {},
            "includeOnly": [],
        },
    )
    yield start("sandbox of another type", sandbox=5)
    yield start("long id " + "x" * 5000)
    yield start("")


def _asking_about_processes() -> Iterator[Step]:
    yield Ask("read nobody", "process/read", {"processId": "nobody"})
    yield Ask("read: negative", "process/read", {"processId": "stdout", "afterSeq": -1})
    yield Ask("read: fraction", "process/read", {"processId": "stdout", "afterSeq": 1.5})
    yield Ask("read: text", "process/read", {"processId": "stdout", "waitMs": "5"})
    yield Ask("read: all", "process/read", {"processId": "stdout"})
    yield Ask(
        "read: nulls",
        "process/read",
        {"processId": "stdout", "afterSeq": None, "maxBytes": None, "waitMs": None},
    )
    yield Ask("read: zero bytes", "process/read", {"processId": "stdout", "maxBytes": 0})
    yield Ask("read: after output", "process/read", {"processId": "stdout", "afterSeq": 1})
    yield Ask("read: after everything", "process/read", {"processId": "stdout", "afterSeq": 3, "waitMs": 200})
    yield Ask("read: far after", "process/read", {"processId": "stdout", "afterSeq": 1000, "waitMs": 50})
    yield Ask(
        "read: bounded at the end", "process/read", {"processId": "stdout", "afterSeq": 3, "maxBytes": 10}
    )
    yield Ask("read: failed", "process/read", {"processId": "exit 3"})
    yield Ask("read: dead", "process/read", {"processId": "dies of SIGTERM"})
    yield Ask("write to nobody", "process/write", {"processId": "nobody", "chunk": "", "writeId": "1"})
    yield Ask(
        "write without stdin", "process/write", {"processId": "stdout", "chunk": "eA==", "writeId": "1"}
    )
    yield Ask("write: no base64", "process/write", {"processId": "stdout", "chunk": "!", "writeId": "1"})
    yield Ask("write: no padding", "process/write", {"processId": "stdout", "chunk": "eA", "writeId": "1"})
    yield Ask(
        "write: empty id", "process/write", {"processId": "stdout", "chunk": "", "writeId": ""}, newer=True
    )
    yield Ask(
        "write: ended", "process/write", {"processId": "stdin of a pipe", "chunk": "eA==", "writeId": "99"}
    )
    yield Ask("terminate nobody", "process/terminate", {"processId": "nobody"})
    yield Ask("terminate: ended", "process/terminate", {"processId": "stdout"})
    yield Ask("signal nobody", "process/signal", {"processId": "nobody", "signal": "interrupt"}, newer=True)
    yield Ask("signal: ended", "process/signal", {"processId": "stdout", "signal": "interrupt"}, newer=True)
    yield Ask("signal: unknown", "process/signal", {"processId": "stdout", "signal": "nonsense"}, newer=True)
    again = {"processId": "stdout", "argv": ["true"], "cwd": At(), "env": PATH, "tty": False}
    yield Ask("start again", "process/start", again)


def _environment() -> Iterator[Step]:
    yield Ask("info", "environment/info", {}, newer=True)


def _reading_files() -> Iterator[Step]:
    for name in (
        "f",
        "empty",
        "bytes",
        "a b#%?",
        "to-f",
        "dir",
        "nope",
        "dangling",
        "loop",
        "f/x",
        "to-dir/one",
    ):
        yield Ask(f"readFile {name}", "fs/readFile", {"path": At(name)})
        yield Ask(f"getMetadata {name}", "fs/getMetadata", {"path": At(name)})
    yield Ask("readFile null sandbox", "fs/readFile", {"path": At("f"), "sandbox": None})
    yield Ask("readFile of the null device", "fs/readFile", {"path": "/dev/null"}, newer=True)
    yield Ask("readFile relative", "fs/readFile", {"path": "f"})
    yield Ask("readFile of a scheme", "fs/readFile", {"path": "http://host/f"})
    yield Ask("readFile query", "fs/readFile", {"path": "file:///f?x"}, newer=True)
    yield Ask("readFile fragment", "fs/readFile", {"path": "file:///f#x"}, newer=True)
    yield Ask("readFile elsewhere", "fs/readFile", {"path": "file://elsewhere/f"}, newer=True)
    yield Ask("readFile NUL", "fs/readFile", {"path": "file:///f%00"}, newer=True)
    for name in ("f", "to-f", "dir", "nope", "dangling", "loop"):
        yield Ask(f"canonicalize {name}", "fs/canonicalize", {"path": At(name)}, newer=True)


def _writing_files() -> Iterator[Step]:
    data = encoded(b"new\n")
    for name in ("new", "f", "dir", "nope/x", "dangling", "loop", "f/x"):
        yield Ask(f"writeFile {name}", "fs/writeFile", {"path": At(name), "dataBase64": data})
    yield Ask("writeFile bad base64", "fs/writeFile", {"path": At("new"), "dataBase64": "!"})
    yield Ask("writeFile without padding", "fs/writeFile", {"path": At("new"), "dataBase64": "eA"})
    yield Ask("writeFile nothing", "fs/writeFile", {"path": At("nothing"), "dataBase64": ""})
    for name in ("new", "f", "nothing", "nowhere"):
        yield Ask(f"read back {name}", "fs/readFile", {"path": At(name)})


def _folders() -> Iterator[Step]:
    for name, recursive in (
        ("made", None), ("made", None), ("deep/er", None), ("made", False), ("no/thing", False), ("plain-made", False),
        ("f", True), ("f/x", True), ("to-dir", True),
    ):  # fmt: skip
        params = {"path": At(name)} | ({} if recursive is None else {"recursive": recursive})
        yield Ask(f"createDirectory {name} {recursive}", "fs/createDirectory", params)
    for name in ("dir", "dir/sub", "made", "f", "nope", "to-dir", "dangling"):
        yield Ask(f"readDirectory {name}", "fs/readDirectory", {"path": At(name)})


def _walking() -> Iterator[Step]:
    options = {"maxDepth": 9, "maxDirectories": 99, "maxEntries": 99, "followDirectorySymlinks": False}

    def walk(name: str, path: str, **changed: Any) -> Ask:
        rest = {key: changed.pop(key) for key in ("pruneHiddenDirectories",) if key in changed}
        return Ask(
            f"walk {name}",
            "fs/walk",
            {"path": At(path), "options": {**options, **changed, **rest}},
            newer=True,
        )

    yield walk("dir", "dir")
    yield walk("shallow", "dir", maxDepth=0)
    yield walk("two levels", "dir", maxDepth=1)
    yield walk("few entries", "dir", maxEntries=2)
    yield walk("one folder", "dir", maxDirectories=1)
    yield walk("with links", "", followDirectorySymlinks=True, maxEntries=500)
    yield walk("visible", "dir", pruneHiddenDirectories=True)
    yield walk("a file", "f")
    yield walk("nothing", "nope")
    yield walk("too deep", "dir", maxDepth=65)
    yield walk("zero entries", "dir", maxEntries=0)
    yield Ask("walk without options", "fs/walk", {"path": At("dir")}, newer=True)


def _removing_and_copying() -> Iterator[Step]:
    def copy(source: str, target: str, *, recursive: bool) -> Ask:
        params = {"sourcePath": At(source), "destinationPath": At(target), "recursive": recursive}
        return Ask(f"copy {source} to {target} {recursive}", "fs/copy", params)

    yield copy("f", "copy", recursive=False)
    yield copy("dir", "copied", recursive=False)
    yield copy("dir", "copied", recursive=True)
    yield copy("dir", "copied", recursive=True)
    yield copy("dir", "dir/sub/inside", recursive=True)
    yield copy("dir", "dir", recursive=True)
    yield copy("to-f", "copied-link", recursive=False)
    yield copy("to-f", "copied-link", recursive=False)
    yield copy("nope", "x", recursive=False)
    yield copy("f", "no/where", recursive=False)
    yield copy("script", "copied-script", recursive=False)
    yield copy("secret", "secret", recursive=False)
    yield Run("mode of a copy", ("./copied-script", "two"))
    yield Ask("read the copy", "fs/readFile", {"path": At("copied/sub/two")})
    yield Ask("read what was copied onto itself", "fs/readFile", {"path": At("secret")})
    for name, params in (
        ("copy", {}), ("copy", {}), ("copy", {"force": False}), ("copied", {"recursive": False}), ("copied", {}),
        ("to-dir", {"recursive": True}), ("empty", {"recursive": False, "force": False}), ("f/x", {}),
    ):  # fmt: skip
        yield Ask(f"remove {name} {params}", "fs/remove", {"path": At(name), **params})
    yield Ask("what the link named is there", "fs/getMetadata", {"path": At("dir/one")})


def _handles() -> Iterator[Step]:
    def ask(name: str, method: str, **params: Any) -> Ask:
        return Ask(f"handle: {name}", f"fs/{method}", {"handleId": "h", **params}, newer=True)

    yield ask("open", "open", path=At("bytes"))
    yield ask("open again", "open", path=At("bytes"))
    yield ask("block", "readBlock", offset=0, len=16)
    yield ask("to the end", "readBlock", offset=250, len=100)
    yield ask("just the end", "readBlock", offset=250, len=6)
    yield ask("behind the end", "readBlock", offset=1000, len=1)
    yield ask("nothing", "readBlock", offset=0, len=0)
    yield ask("too much", "readBlock", offset=0, len=1048577)
    yield ask("write to it", "writeBlock", offset=0, chunk="eA==")
    yield ask("close", "close")
    yield ask("close again", "close")
    yield ask("block of a closed one", "readBlock", offset=0, len=1)
    yield ask("open nothing", "open", path=At("nope"))
    yield ask("open a folder", "open", path=At("dir"))
    yield ask("long id", "open", handleId="x" * 33, path=At("f"))
    yield ask("replace", "open", path=At("written"), mode="replace")
    yield ask("write", "writeBlock", offset=2, chunk=encoded(b"xyz"))
    yield ask("close the written", "close")
    yield Ask("handle: read back", "fs/readFile", {"path": At("written")}, newer=True)
    yield ask("unknown mode", "open", path=At("f"), mode="append")


def _sandboxed() -> Iterator[Step]:
    everything = {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"}
    inside = {"path": {"type": "path", "path": At("dir")}, "access": "write"}
    system = {"type": "restricted", "entries": [everything, inside]}
    permissions = {"type": "managed", "network": "restricted", "file_system": system}
    sandbox = {"permissions": permissions, "cwd": At("dir"), "windowsSandboxLevel": "disabled"}
    free = {"permissions": {"type": "disabled"}, "windowsSandboxLevel": "disabled"}
    for name in ("f", "dir/one", "nope"):
        yield Ask(f"sandboxed getMetadata {name}", "fs/getMetadata", {"path": At(name), "sandbox": sandbox})
        yield Ask(f"sandboxed readFile {name}", "fs/readFile", {"path": At(name), "sandbox": sandbox})
    for name in ("dir/written", "outside"):
        params = {"path": At(name), "dataBase64": encoded(b"w"), "sandbox": sandbox}
        yield Ask(f"sandboxed writeFile {name}", "fs/writeFile", params)
    yield Ask("what was written inside", "fs/readFile", {"path": At("dir/written")})
    yield Ask("what was written outside", "fs/readFile", {"path": At("outside")})
    yield Ask("unconfined getMetadata", "fs/getMetadata", {"path": At("f"), "sandbox": free})
    yield Ask(
        "sandbox without level", "fs/getMetadata", {"path": At("f"), "sandbox": {"permissions": permissions}}
    )
    yield Run("sandboxed true", ("true",), {"sandbox": sandbox, "cwd": At("dir")}, newer=True)
    yield Run(
        "sandboxed write inside",
        ("sh", "-c", "echo x > ok && cat ok"),
        {"sandbox": sandbox, "cwd": At("dir")},
        newer=True,
    )
    yield Run(
        "sandboxed write outside",
        ("sh", "-c", "echo x > ../no"),
        {"sandbox": sandbox, "cwd": At("dir")},
        newer=True,
    )
    yield Run("sandboxed exit", ("sh", "-c", "exit 7"), {"sandbox": sandbox, "cwd": At("dir")}, newer=True)
    yield Run(
        "unconfined sandbox", ("sh", "-c", "echo x > ../yes"), {"sandbox": free, "cwd": At("dir")}, newer=True
    )
