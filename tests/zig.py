"""C programs for tests, compiled by zig with the project's cache, where the libc of a target is compiled once for all."""

import os
import subprocess
import sys
from pathlib import Path

COMPILE_S = 900
"""The first compile for a target also compiles its libc, which takes minutes on a busy machine."""


def compile_with_zig(target: str, source: Path, program: Path, *flags: str) -> Path:
    """Compile one file for a zig target."""
    from shellbuild.cache import cache_root  # a run that is given its programs may do without

    cache = str(cache_root() / "zig")
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-target", target, *flags, "-o", program, source],
        check=True,
        timeout=COMPILE_S,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
    )
    return program
