"""Files without a name, for what is too long for a message and nobody's business: in memory where the kernel has that
(memfd_create(2)), else in the folder for temporary files.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def file_of(content: bytes) -> Iterator[int]:
    """Give a descriptor from which the content is read, from its start on; it is closed at the end."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("codex")
    else:
        with tempfile.TemporaryFile(buffering=0) as file:
            fd = os.dup(file.fileno())
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
