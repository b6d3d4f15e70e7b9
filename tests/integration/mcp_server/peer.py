"""The published program of the same kind, which none of us wrote (see `published.py`)."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from integration.published import PackageUnavailableError, fetch_package

PACKAGE = "@openai/codex-shell-tool-mcp@0.97.0"
TARBALL_SHA256 = "5c5e8df279b9ae77ba987322dd52d1057e723039d45bb2de31c580d74a1299f7"
TARGET = "x86_64-unknown-linux-musl"
FETCH_S = 300
"""For 47 MB."""
TRIAL_S = 30
BASH_VARIANTS = ("debian-12", "debian-11", "ubuntu-22.04", "ubuntu-24.04", "centos-9")
_WORKS = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Its three programs."""

    server: Path
    wrapper: Path
    bash: Path


def fetch_peer() -> Peer:
    """Give the programs from the cache, filling it if need be."""
    entry = fetch_package(PACKAGE, TARBALL_SHA256, lambda name: f"/{TARGET}/" in name, limit_s=FETCH_S)
    programs = entry / "package" / "vendor" / TARGET
    return Peer(
        server=programs / "codex-exec-mcp-server",
        wrapper=programs / "codex-execve-wrapper",
        bash=_bash_that_runs(programs / "bash"),
    )


def _bash_that_runs(folder: Path) -> Path:
    for variant in BASH_VARIANTS:
        bash = folder / variant / "bash"
        tried = subprocess.run(
            [bash, "-c", f"exit {_WORKS}"], capture_output=True, timeout=TRIAL_S, check=False
        )
        if tried.returncode == _WORKS:
            return bash
    raise PackageUnavailableError(f"{PACKAGE}: none of its bash builds runs on this distribution")
