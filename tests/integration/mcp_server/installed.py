"""The runtime of this checkout put together as it would be installed: sources, and a vendor tree beside them.

Shells come from CONTRACT_BASH and CONTRACT_ZSH, else from the project's cached builds; the helpers are compiled here
from `native/`, so that what is tested is what lies in the tree. Tests and benchmarks share it.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from shellbuild.cache import cache_root
from shellbuild.platforms import load_platforms
from shelltool.shells import LINUX_SANDBOX, SHELLS, WRAPPER, this_host

ROOT = Path(__file__).parents[3]
SOURCES = {WRAPPER: "execve_wrapper.c", LINUX_SANDBOX: "linux_sandbox.c"}
COMPILE_S = 300
"""The first compile for a target also compiles its libc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where everything is."""

    source: Path
    bash: Path
    zsh: Path
    wrapper: Path

    def shell(self, name: str) -> Path:
        return {"bash": self.bash, "zsh": self.zsh}[name]


def install(root: Path) -> Installation:
    """Put it together below an empty folder."""
    host = this_host()
    programs = root / "vendor" / host.target
    programs.mkdir(parents=True)
    (root / "src").symlink_to(ROOT / "src")
    zig_target = load_platforms(ROOT / "recipes" / "platforms.toml")[host.target].zig_target
    for name, source in SOURCES.items():
        _compile(ROOT / "native" / source, programs / name, zig_target)
    for name in SHELLS:
        (programs / name).mkdir()
        (programs / name / host.variant).symlink_to(_shell(name).parent)
    return Installation(
        source=root / "src",
        bash=programs / "bash" / host.variant / "bash",
        zsh=programs / "zsh" / host.variant / "zsh",
        wrapper=programs / WRAPPER,
    )


def _shell(name: str) -> Path:
    given = os.environ.get(f"CONTRACT_{name.upper()}")
    if given:
        return Path(given).resolve(strict=True)
    from shellbuild.builder import build_shell  # only where something is to be built

    return build_shell(name, patched=True).resolve()


def _compile(source: Path, target: Path, zig_target: str) -> None:
    cc = [sys.executable, "-m", "ziglang", "cc", "-target", zig_target, "-O2", "-static", "-s"]
    cache = str(cache_root() / "zig")
    environment = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, "PATH": "/usr/bin:/bin"}
    subprocess.run([*cc, "-o", target, source], check=True, timeout=COMPILE_S, env=environment)
