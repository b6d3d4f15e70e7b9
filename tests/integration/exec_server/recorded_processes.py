"""The recorded list: processes, how they are started, and what is asked about them."""

from collections.abc import Iterator
from typing import Any

from integration.exec_server.recording import PATH, Ask, At, Run, Step


def steps() -> Iterator[Step]:
    """Give this part of the list."""
    yield from _running()
    yield from _starting()
    yield from _asking_about_processes()


def _running() -> Iterator[Step]:
    sh = ("sh", "-c")
    yield Run("true", ("true",))
    yield Run("false", ("false",))
    yield Run("by path", ("/bin/true",))
    yield Run("stdout", (*sh, "echo hi; read x"), {"pipeStdin": True}, (b"\n",), says_first=b"hi\n")
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
    yield start("a variable without a name", env={"": "1", **PATH})
    yield start("a variable with = in its name", env={"A=B": "1", **PATH})
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
        "write without stdin", "process/write", {"processId": "stderr", "chunk": "eA==", "writeId": "1"}
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
