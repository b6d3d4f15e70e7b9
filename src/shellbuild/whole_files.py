"""Files that appear whole or not at all, alone or several at once: each is made under a temporary name beside its place."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write a file with a mode that the umask has no part in; who reads it meanwhile sees the one that was there."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(mode)
        return fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def appearing_files(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose files move to `folder` when the body ends well, else go.

    So what fails a check is never where all that lies there is published.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as staging:
        yield Path(staging)
        for path in sorted(Path(staging).iterdir()):
            path.replace(folder / path.name)
