"""The recorded list: files, folders, walks, copies and handles."""

from collections.abc import Iterator
from typing import Any

from integration.exec_server.recording import Ask, At, Run, Step
from integration.exec_server.wire import encoded


def steps() -> Iterator[Step]:
    """Give this part of the list."""
    yield from _reading_files()
    yield from _writing_files()
    yield from _folders()
    yield from _walking()
    yield from _removing_and_copying()
    yield from _handles()


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
        "socket",
    ):
        yield Ask(f"readFile {name}", "fs/readFile", {"path": At(name)})
        yield Ask(f"getMetadata {name}", "fs/getMetadata", {"path": At(name)})
    yield Ask("getMetadata pipe", "fs/getMetadata", {"path": At("pipe")})
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
    for name in ("new", "f", "dir", "nope/x", "dangling", "loop", "f/x", "socket"):
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
    yield copy("dir", "to-dir/sub/inside", recursive=True)
    yield copy("f", "dir", recursive=False)
    yield copy("dir", "f", recursive=True)
    yield copy("pipe", "copied-pipe", recursive=False)
    yield copy("socket", "copied-socket", recursive=True)
    yield copy("f", "socket", recursive=False)
    yield copy("deep", "copied-deep", recursive=True)
    yield copy("nope", "x", recursive=False)
    yield copy("f", "no/where", recursive=False)
    yield copy("script", "copied-script", recursive=False)
    yield copy("secret", "secret", recursive=False)
    yield Run("mode of a copy", ("./copied-script", "two"))
    yield Ask("read the copy", "fs/readFile", {"path": At("copied/sub/two")})
    yield Ask("read what was copied onto itself", "fs/readFile", {"path": At("secret")})
    for name, params in (
        ("copy", {}), ("copy", {}), ("copy", {"force": False}), ("copied", {"recursive": False}), ("copied", {}),
        ("deep", {}), ("pipe", {}), ("dir/sub", {"recursive": False}), ("copied-deep/d", {"recursive": False}),
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
    yield ask("open a socket", "open", path=At("socket"))
    yield ask("open a folder", "open", path=At("dir"))
    yield ask("long id", "open", handleId="x" * 33, path=At("f"))
    yield ask("replace", "open", path=At("written"), mode="replace")
    yield ask("write", "writeBlock", offset=2, chunk=encoded(b"xyz"))
    yield ask("close the written", "close")
    yield Ask("handle: read back", "fs/readFile", {"path": At("written")}, newer=True)
    yield ask("unknown mode", "open", path=At("f"), mode="append")
