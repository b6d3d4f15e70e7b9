"""The program that runs inside sandboxes, in memory.

A sandbox need not contain any program, so it is started by a descriptor. The memory is sealed: nobody who sees the
descriptor can change what runs.
"""

import fcntl
import os
from pathlib import Path

from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox.native import find_helper

PROGRAM_NAME = "codex-sandbox-files"
PROGRAM_LIMIT = 16 << 20


def find_program() -> Path:
    """Find the program: it stands beside `codex-linux-sandbox`, and is never looked for anywhere else."""
    return Path(find_helper()).with_name(PROGRAM_NAME)


def load_program(path: Path) -> int:
    """Give a descriptor from which the program can be started, as `/proc/self/fd/N`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SandboxUnavailableError(f"{path}: {error.strerror}; build or install {PROGRAM_NAME}") from error
    if not 0 < len(content) <= PROGRAM_LIMIT:
        raise SandboxUnavailableError(f"{path}: {len(content)} bytes; that is not {PROGRAM_NAME}")
    writable = os.memfd_create(PROGRAM_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with os.fdopen(os.dup(writable), "wb") as file:
            file.write(content)
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(writable, fcntl.F_ADD_SEALS, seals)
        # What is open for writing can't be executed.
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY)
    finally:
        os.close(writable)
