"""A cache, a home and an environment of the test's own, and a web server on loopback."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.shellbuild.sources.web import Web, web_server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SHELLBUILD_CACHE", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return folder


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """Reserve a port on which nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def data_files(folder: Path) -> list[str]:
    """List what a cache holds beside locks and empty folders."""
    if not folder.exists():
        return []
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path.relative_to(folder)) for path in files if path.suffix != ".lock")
