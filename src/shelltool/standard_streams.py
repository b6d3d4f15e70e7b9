"""The standard streams of our programs: whether they were open at the start, and a result that is written whole.

One that was closed can't be found by its number later: that is the next file's. Python looks before it opens any.
"""

import contextlib
import os
import sys

from shelltool.errors import StreamError


def require_open(*names: str) -> None:
    """Refuse to go on without one of these streams, `stdin` and `stdout`."""
    for name in names:
        if getattr(sys, f"__{name}__") is None:
            raise StreamError(f"{name} is closed; start the program with it open, be it on {os.devnull}")


def write_result(data: bytes) -> None:
    """Write to stdout, and let go of it where that fails, or the interpreter would try again at its end."""
    require_open("stdout")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        raise StreamError(f"stdout can't be written: {error.strerror}") from error
