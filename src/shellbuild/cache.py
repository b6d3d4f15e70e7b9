"""The toolkit's cache folder, its locks, and its way of making a folder appear whole or not at all.

`SHELLBUILD_CACHE` names the folder; the default lies in the user's cache folder. Several builds may share it
at once: every entry is made under a temporary name and renamed, under a lock of the entry's own.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from shellbuild.errors import UsageError


def cache_root() -> Path:
    """Give the cache folder, made if need be; raise UsageError for a path that no build survives."""
    configured = os.environ.get("SHELLBUILD_CACHE")
    root = Path(configured) if configured else user_cache_path("shellbuild", appauthor=False)
    if any(character.isspace() for character in str(root)):
        # Compilers and sources lie below it, and configure and make split words.
        raise UsageError(f"{root}: name a folder without white space in SHELLBUILD_CACHE")
    root.mkdir(parents=True, exist_ok=True)
    return root.resolve()


@contextmanager
def entry_lock(entry: Path) -> Iterator[None]:
    """Hold the lock of a cache entry; a second process waits until the first has made it."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    # The kernel drops a flock with its owner, so a killed build never leaves a stale lock.
    with entry.with_name(f".{entry.name}.lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def appearing_folder(entry: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `entry` that becomes `entry` when the body ends well, else goes."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        yield staging
        staging.chmod(0o755)
        remove_tree(entry)
        staging.rename(entry)
    finally:
        remove_tree(staging)


def remove_tree(path: Path) -> None:
    """Remove a folder if it is there, write-protected folders inside included."""
    if not path.is_dir():
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)
