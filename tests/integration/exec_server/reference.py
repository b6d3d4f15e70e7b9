"""The reference program, which none of us wrote, in two releases (see `published.py`)."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from integration.published import PackageUnavailableError, fetch_package

PACKAGE = "@openai/codex@{}-linux-x64"
TARBALL_SHA256 = {
    "0.169.0": "89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa",
    "0.130.0": "91e12a56c49c702c86c5c42811cfa3d515b6d6bc196d70ba9cea25227302aa8f",
}
FETCH_S = 600
"""For 167 MB."""
START_S = 20.0
END_S = 10.0


def fetch_reference(version: str) -> Path:
    """Give the program from the cache, filling it if need be."""
    entry = fetch_package(
        PACKAGE.format(version),
        TARBALL_SHA256[version],
        lambda name: "/vendor/" in name and "/voice/" not in name,
        limit_s=FETCH_S,
    )
    return next(path for path in sorted(entry.rglob("codex")) if path.is_file() and os.access(path, os.X_OK))


@asynccontextmanager
async def reference_server(version: str, *options: str) -> AsyncIterator[str]:
    """Run one of its servers; gives its URL."""
    program = fetch_reference(version)
    # Not below /tmp, where it refuses to have its home.
    with tempfile.TemporaryDirectory(prefix="reference-", dir="/var/tmp") as home:
        environment = {**os.environ, "CODEX_HOME": home, "RUST_LOG": "error"}
        child = await asyncio.create_subprocess_exec(
            *(str(program), "exec-server", "--listen", "ws://127.0.0.1:0", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                url = (await child.stdout.readline()).decode().strip()
            if not url.startswith("ws://"):
                raise PackageUnavailableError(f"{program} does not start")
            yield url
        finally:
            if child.returncode is None:
                child.terminate()
            async with asyncio.timeout(END_S):
                await child.wait()
