"""The static shells as a user gets them: the installed tree, in places where nothing else is."""

import os
import shutil
from pathlib import Path

import pytest

from zig import compile_with_zig

PASSTHROUGH = Path(__file__).parents[1] / "wrappers" / "passthrough.c"


@pytest.fixture(scope="session", params=["bash", "zsh"])
def shell_tree(request: pytest.FixtureRequest) -> Path:
    """Folder of one built shell, as it stands in the vendor tree."""
    from shellbuild.builder import build_shell

    return build_shell(request.param).parent


@pytest.fixture(scope="session")
def zsh_tree() -> Path:
    """Folder of the built zsh."""
    from shellbuild.builder import build_shell

    return build_shell("zsh").parent


@pytest.fixture(scope="session")
def passthrough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static wrapper that execs what it is given."""
    program = tmp_path_factory.mktemp("wrapper") / "passthrough"
    return compile_with_zig("x86_64-linux-musl", PASSTHROUGH, program, "-static", "-O1", "-s")


@pytest.fixture
def empty_root(tmp_path: Path, passthrough: Path) -> Path:
    """A root folder with busybox and nothing else: no /proc, no /dev, no libraries, no terminal descriptions."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed (apt-get install busybox-static)")
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    for name in ("busybox", "cat", "ls", "sh", "wc", "true", "env"):
        os.link(busybox, root / "bin" / name) if name == "busybox" else (root / "bin" / name).symlink_to(
            "busybox"
        )
    shutil.copy2(passthrough, root / "bin" / "passthrough")
    return root


def chroot(root: Path) -> list[str]:
    """Command prefix that enters a root folder, also for users who are not root."""
    plain = [shutil.which("chroot") or "/usr/sbin/chroot", str(root)]
    return plain if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", *plain]
