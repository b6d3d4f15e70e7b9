"""Absolute paths as text: how they nest.

Paths are `str` as `os.fsdecode` gives it, so that bytes which are not UTF-8 survive. Nothing here looks at files;
`survey` does.
"""

import posixpath
from collections.abc import Iterator


def normalized(path: str) -> str:
    """Take `.`, `..` and doubled slashes out of an absolute path, by its text alone."""
    return "/" + posixpath.normpath(path).lstrip("/")


def parent(path: str) -> str:
    """Give the folder that a path stands in; the root stands in itself."""
    return posixpath.dirname(path)


def join(folder: str, *names: str) -> str:
    """Put names below a folder."""
    return posixpath.join(folder, *names)


def is_at_or_below(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or something in it, at any depth."""
    return folder in {"/", path} or path.startswith(folder + "/")


def is_below(path: str, folder: str) -> bool:
    """Tell whether `path` is something in `folder`, at any depth."""
    return path != folder and is_at_or_below(path, folder)


def upwards(path: str) -> Iterator[str]:
    """Walk from a path to the root, both included."""
    while path != "/":
        yield path
        path = parent(path)
    yield "/"


def outermost_first(path: str) -> list[str]:
    """Sort key that puts each folder right before what is in it."""
    return path.split("/")
