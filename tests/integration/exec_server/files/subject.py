"""A file service under test, whichever it is, and a folder for it to work in."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files.api import FileService
from shelltool.exec_server.files.methods import FILE_METHODS
from shelltool.exec_server.messages import Message

DEADLINE_S = 30.0


def policy(*entries: tuple[str, str], cwd: Path) -> dict[str, Any]:
    """Give a sandbox object of these paths and what may be done there; `project_roots` and the like are special."""
    return {
        "permissions": {
            "type": "managed",
            "network": "restricted",
            "file_system": {
                "type": "restricted",
                "entries": [{"path": _target(place), "access": access} for place, access in entries],
            },
        },
        "cwd": str(cwd),
        "workspaceRoots": [str(cwd)],
        "windowsSandboxLevel": "disabled",
    }


def _target(place: str) -> dict[str, Any]:
    if place.startswith("/"):
        return {"type": "path", "path": place}
    return {"type": "special", "value": {"kind": place}}


def workspace_write(cwd: Path) -> dict[str, Any]:
    """Give what clients send for a workspace: everything can be read, the workspace be written."""
    return policy(("root", "read"), ("project_roots", "write"), cwd=cwd)


@dataclass
class Subject:
    """Calls the functions of a service by the names of their methods."""

    name: str
    service: FileService
    runner: asyncio.Runner
    folder: Path
    sandbox: dict[str, Any] | None = None
    notified: list[tuple[str, Message]] = field(default_factory=list)

    def __call__(self, method: str, **params: Any) -> Any:
        """Send a request as a client would put it: in camelCase, paths as they are."""
        row = next(row for row in FILE_METHODS if row.name == f"fs/{method}")
        if "sandbox" in row.params.model_fields and "sandbox" not in params:
            params["sandbox"] = self.sandbox
        message = row.params.model_validate(params)
        function: Callable[[Message], Any] = getattr(self.service, row.function)
        return self.runner.run(asyncio.wait_for(function(message), DEADLINE_S))

    def refused(self, method: str, **params: Any) -> RpcError:
        """Send a request that fails; give the error."""
        try:
            result = self(method, **params)
        except RpcError as error:
            return error
        raise AssertionError(f"{method} was not refused, but answered {result}")

    def path(self, *names: str) -> str:
        """Give a path in the folder."""
        return str(self.folder.joinpath(*names))

    def put(self, name: str, content: bytes = b"content") -> str:
        """Make a file by other means."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def tree(self) -> set[str]:
        """Tell what is in the folder."""
        found = set()
        for above, folders, files in os.walk(self.folder):
            found |= {os.path.relpath(os.path.join(above, name), self.folder) for name in (*folders, *files)}
        return found
