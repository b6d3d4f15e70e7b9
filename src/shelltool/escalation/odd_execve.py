"""execve(2) for the one argument vector that Python refuses: none at all, or an empty argv[0], as in `exec -a '' prog`."""

import ctypes
import os
from collections.abc import Mapping, Sequence


def execve(path: bytes, argv: Sequence[bytes], env: Mapping[bytes, bytes]) -> None:
    """Become the program, or raise OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.execve(path, _vector(argv), _vector([name + b"=" + value for name, value in env.items()]))
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def _vector(words: Sequence[bytes]) -> "ctypes.Array[ctypes.c_char_p]":
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)
