"""What the recorded list is made of: requests, processes, and the folder that they are about.

`At("name")` is a path below that folder, written as a URI or as it is; `Web("/page")` is a URL; `Run` starts a process
and follows it to its close. Names are the keys of the list of differences.
"""

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEPTH = 515
"""More folders in each other than our server goes down."""
PATH = {"PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True)
class At:
    """A path below the folder of a server."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Web:
    """A page of the web server that plays along."""

    path: str


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
    says_first: bytes = b""
    """What has come before standard input is written; so it is numbered before the end, by every server."""


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
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        before = Path.cwd()
        os.chdir(root)  # the whole path may be too long for an address
        try:
            bound.bind("socket")
        finally:
            os.chdir(before)
    (root / "deep").mkdir()
    folder = os.open(root / "deep", os.O_PATH)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_PATH, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
