"""The runtime of this checkout put together as it would be installed: sources, and a vendor tree beside them.

Shells come from CONTRACT_BASH and CONTRACT_ZSH; else they are, like the helpers always, the builds that are shipped.
Tests and benchmarks share it.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from shellbuild.builder import build_native, build_shell, make_native_request
from shelltool.shells import LINUX_SANDBOX, SHELLS, WRAPPER, this_host

ROOT = Path(__file__).parents[3]


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
    shutil.copytree(
        ROOT / "src", root / "src"
    )  # through a link that commands can replace, no server would run them
    built = build_native(make_native_request())
    for name in (WRAPPER, LINUX_SANDBOX):
        (programs / name).symlink_to(built / name)
    for name in SHELLS:
        (programs / name).mkdir()
        (programs / name / host.variant).symlink_to(_shell(name).parent)
    return Installation(
        source=root / "src",
        bash=(programs / "bash" / host.variant / "bash").resolve(),
        zsh=(programs / "zsh" / host.variant / "zsh").resolve(),
        wrapper=programs / WRAPPER,
    )


def _shell(name: str) -> Path:
    given = os.environ.get(f"CONTRACT_{name.upper()}")
    if given:
        return Path(given).resolve(strict=True)
    return build_shell(name, patched=True).resolve()
