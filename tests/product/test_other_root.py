"""The root folder in which `nox -s contract_root` runs the contract tests is another system's indeed."""

import shutil
import subprocess

import pytest

from shellbuild import contract_root
from shellbuild.contract_root import DYNAMIC, debian_command, make_commands, make_debian, root_command
from shellbuild.errors import ToolchainError
from shellbuild.sources.mirrors import Distribution, Mirror

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


def test_a_debian_root_has_its_own_programs_and_none_of_this_systems(shell_tree, tmp_path):
    """A root as debootstrap leaves it, told apart by one file; making a real one is what the session does."""
    if shutil.which("bwrap") is None:
        pytest.skip("apt-get install bubblewrap")
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mark").write_text("another\n", encoding="utf-8")
    (tmp_path / "bin").symlink_to("usr/bin")
    shell = shell_tree / ("bash" if (shell_tree / "bash").exists() else "zsh")
    shutil.copy2(shell, tmp_path / "usr" / "bin" / "sh")
    done = subprocess.run(
        [
            *debian_command(tmp_path),
            "/bin/sh",
            "-c",
            "echo /usr/bin/* /etc/*; read word < /etc/mark; echo $word",
        ],
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "/usr/bin/sh /etc/mark\nanother\n"


def test_debootstrap_is_called_with_this_machines_mirror_and_keyring(tmp_path, monkeypatch):
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    # `unshare` is called with debootstrap as its argument, so the one stand-in sees all of it.
    (tools / "unshare").write_text(f'#!/bin/sh\necho "$*" >> {log}\n', encoding="utf-8")
    (tools / "debootstrap").write_text("", encoding="utf-8")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    mirror = Mirror(
        uris=("https://mirror.example/debian",), components=("main",), options={"Signed-By": "/key.gpg"}
    )
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(contract_root, "machine_mirrors", lambda _: [mirror])
    monkeypatch.setattr(
        contract_root, "this_distribution", lambda: Distribution(ids=("debian",), codenames=("trixie",))
    )
    assert make_debian() == make_debian() == (tmp_path / "cache" / "roots" / "debian-trixie").resolve()
    [call] = log.read_text(encoding="utf-8").splitlines()
    assert f"--mount {tools}/debootstrap --variant=minbase" in call
    assert "--keyring=/key.gpg trixie" in call
    assert call.endswith(" https://mirror.example/debian")
