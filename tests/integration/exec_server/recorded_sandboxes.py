"""The recorded list: requests and processes in a sandbox."""

from collections.abc import Iterator
from typing import Any

from integration.exec_server.recording import Ask, At, Run, Step
from integration.exec_server.wire import encoded


def steps() -> Iterator[Step]:
    """Give this part of the list."""
    yield from _sandboxed()
    yield from _narrowly_sandboxed()


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
    changes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("createDirectory", "fs/createDirectory", {"path": At("no-folder")}),
        ("remove", "fs/remove", {"path": At("bytes"), "force": False}),
        ("copy", "fs/copy", {"sourcePath": At("f"), "destinationPath": At("no-copy"), "recursive": False}),
    )
    for name, method, params in changes:
        yield Ask(f"sandboxed {name} outside", method, {**params, "sandbox": sandbox})
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


def _narrowly_sandboxed() -> Iterator[Step]:
    """Only some folders can be read; the older release's helper does not start then."""
    minimal = {"path": {"type": "special", "value": {"kind": "minimal"}}, "access": "read"}
    inside = {"path": {"type": "path", "path": At("dir")}, "access": "write"}
    system = {"type": "restricted", "entries": [minimal, inside]}
    permissions = {"type": "managed", "network": "restricted", "file_system": system}
    sandbox = {"permissions": permissions, "cwd": At("dir"), "windowsSandboxLevel": "disabled"}

    def ask(name: str, method: str, **params: Any) -> Ask:
        return Ask(f"narrow: {name}", method, {**params, "sandbox": sandbox}, newer=True)

    yield ask("read inside", "fs/readFile", path=At("dir/one"))
    yield ask("read outside", "fs/readFile", path=At("f"))
    yield ask("write outside", "fs/writeFile", path="file:///tmp/recorded-as-lost", dataBase64="eA==")
    yield ask("remove outside", "fs/remove", path=At("f"))
    yield Ask("narrow: what was removed", "fs/readFile", {"path": At("f")}, newer=True)
