"""Paths of programs, lexically: nothing here looks at the file system, so `..` is undone by name only."""

import os
import posixpath


def normalised(path: str) -> str:
    """Collapse `//`, `.`, `..` and a trailing slash of an absolute path."""
    # Nearly every path is in that form already, and this is asked several times for every command.
    if "/." not in path and "//" not in path and not path.endswith("/"):
        return path
    # POSIX lets exactly two leading slashes mean something else, and normpath keeps them.
    return posixpath.normpath("/" + path.lstrip("/"))


def absolute(token: str) -> str | None:
    """Return the normalised absolute path that a first token names, or None where it names none."""
    if token.startswith("~/"):
        home = os.environ.get("HOME", "")
        token = f"{home}/{token[2:]}" if home.startswith("/") else ""
    return normalised(token) if token.startswith("/") else None


def basename(path: str) -> str:
    """Return the last component of a normalised path or a bare name."""
    return path.rpartition("/")[2]


def is_bare_name(name: str) -> bool:
    """Whether a name is one component of a path, and one that can be a file."""
    return "/" not in name and name not in {"", ".", ".."}
