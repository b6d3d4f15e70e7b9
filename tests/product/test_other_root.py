"""The root folder in which `nox -s contract_root` runs the contract tests is another system's indeed."""

import shutil
import subprocess

import pytest

from shellbuild.contract_root import DYNAMIC, make_commands, root_command
from shellbuild.errors import ToolchainError

pytestmark = pytest.mark.build


@pytest.fixture
def commands(tmp_path):
    if shutil.which("busybox") is None or shutil.which("bwrap") is None:
        pytest.skip("apt-get install busybox-static bubblewrap")
    return make_commands(tmp_path / "bin")


def test_every_command_there_is_busybox_and_the_shell_runs_them(commands, shell_tree):
    shell = shell_tree / ("bash" if (shell_tree / "bash").exists() else "zsh")
    script = (
        "PATH=/bin; for tool in ls cat sed env; do $tool --help 2>&1 | grep -c BusyBox; done; ls /usr /etc"
    )
    done = subprocess.run(
        [*root_command(commands), shell, "-c", script],
        env={"PATH": "/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split()[:4] == ["1"] * 4
    assert "/etc" in done.stderr  # there is none
    assert "sbin" not in done.stdout.split()


def test_but_for_one_that_the_tests_take_apart(commands):
    assert {path.name for path in commands.iterdir() if not path.is_symlink()} == {DYNAMIC, "busybox"}


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="busybox-static"):
        make_commands(tmp_path / "bin")
    with pytest.raises(ToolchainError, match="bubblewrap"):
        root_command(tmp_path)
