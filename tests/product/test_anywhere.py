"""One static binary runs on any Linux: here in a root folder with busybox alone and no /proc."""

import shutil
import subprocess

import pytest

from product.conftest import chroot

pytestmark = pytest.mark.build

SCRIPT = """
set -e
x=$(printf '%s\\n' a b c | wc -l)
cat <<END
lines $x
END
(cd /tmp && echo made > file) && cat /tmp/file
f() { echo "function $1"; }; f one | cat
case $x in *3*) echo matched;; esac
sh -c 'exit 7' || echo "status $?"
test -e /nowhere || echo nowhere
"""
EXPECTED = ["lines 3", "made", "function one", "matched", "status 7", "nowhere"]


@pytest.fixture
def shell_in_root(shell_tree, empty_root):
    name = "bash" if (shell_tree / "bash").exists() else "zsh"
    place = empty_root / "opt" / name
    shutil.copytree(shell_tree, place)
    return f"/opt/{name}/{name}"


def run(root, shell, script, **env):
    done = subprocess.run(
        [*chroot(root), shell, "-c", script],
        env={"PATH": "/bin", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.splitlines()


def test_a_shell_runs_in_an_empty_root_without_proc(shell_in_root, empty_root):
    assert not (empty_root / "proc").exists()
    assert [" ".join(line.split()) for line in run(empty_root, shell_in_root, SCRIPT)] == EXPECTED


def test_interception_works_in_an_empty_root_without_proc(shell_in_root, empty_root):
    lines = run(empty_root, shell_in_root, SCRIPT, EXEC_WRAPPER="/bin/passthrough")
    assert [" ".join(line.split()) for line in lines] == EXPECTED


def test_a_missing_wrapper_stops_every_command_in_an_empty_root(shell_in_root, empty_root):
    done = subprocess.run(
        [*chroot(empty_root), shell_in_root, "-c", 'cat /etc/passwd; echo "status $?"'],
        env={"PATH": "/bin", "EXEC_WRAPPER": "/bin/none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "status 127\n"
    assert "/bin/none" in done.stderr


def test_zsh_finds_its_functions_in_an_empty_root_without_proc(zsh_tree, empty_root):
    shutil.copytree(zsh_tree, empty_root / "zsh")
    script = "autoload -Uz compinit add-zsh-hook && compinit -D && add-zsh-hook precmd true && print $#_comps"
    [count] = run(empty_root, "/zsh/zsh", script)
    assert int(count) > 500
