"""zsh is a complete zsh: modules, completion and line editing, wherever its tree is unpacked."""

import shutil
import subprocess

import pexpect
import pytest

pytestmark = pytest.mark.build

MODULES = (
    *(
        "attr",
        "clone",
        "compctl",
        "complete",
        "complist",
        "computil",
        "curses",
        "datetime",
        "deltochar",
        "files",
    ),
    *("langinfo", "mapfile", "mathfunc", "nearcolor", "net/socket", "net/tcp", "param/private", "parameter"),
    *(
        "regex",
        "rlimits",
        "sched",
        "stat",
        "system",
        "termcap",
        "terminfo",
        "watch",
        "zftp",
        "zle",
        "zleparameter",
    ),
    *("zprof", "zpty", "zselect", "zutil"),
)


def run(zsh, script) -> str:
    done = subprocess.run(
        [zsh, "-fc", script],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_a_standard_module_is_linked_in(zsh_tree, module):
    # zsh/zle first, as on every terminal: upstream's static zsh does not load what a module depends on by itself.
    assert run(zsh_tree / "zsh", f"zmodload zsh/zle zsh/{module} && print loaded") == "loaded\n"


def test_no_module_can_be_loaded_from_a_file(zsh_tree, tmp_path):
    (tmp_path / "evil.so").write_bytes(b"\x7fELF")
    script = f"module_path=({tmp_path}); zmodload evil 2>/dev/null || print refused"
    assert run(zsh_tree / "zsh", script) == "refused\n"


def test_the_function_library_is_found_wherever_the_tree_is_unpacked(zsh_tree, tmp_path):
    place = tmp_path / "some where" / "else"
    shutil.copytree(zsh_tree, place)
    script = "autoload -Uz compinit && compinit -D && print $#_comps; print -l $fpath"
    count, *fpath = run(place / "zsh", script).splitlines()
    assert int(count) > 500
    assert str(place / "functions") in fpath


def test_the_function_library_is_found_through_a_link(zsh_tree, tmp_path):
    (tmp_path / "zsh").symlink_to(zsh_tree / "zsh")
    assert run(tmp_path / "zsh", "autoload -Uz colors && colors && print ok") == "ok\n"


@pytest.fixture
def terminal(shell_tree, tmp_path):
    name = "bash" if (shell_tree / "bash").exists() else "zsh"
    quiet = ["--norc", "--noprofile"] if name == "bash" else ["-f"]
    # TERMINFO points nowhere: the descriptions must come from the binary.
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "PS1": "ready> ", "HOME": str(tmp_path)}
    env |= {"TERMINFO": str(tmp_path / "none"), "HISTFILE": ""}
    child = pexpect.spawn(
        str(shell_tree / name), [*quiet, "-i"], env=env, timeout=20, encoding="utf-8", echo=False
    )
    child.expect_exact("ready> ")
    yield child
    child.close(force=True)


def test_a_line_is_edited_with_the_arrow_keys(terminal):
    terminal.send("echo wrong right")
    terminal.send("\x1b[D" * 6 + "\x17" + "\r")  # six to the left, delete the word before the cursor
    terminal.expect(r"\r\nright")


def test_an_earlier_line_comes_back_with_the_up_key(terminal):
    terminal.send("echo first-$((40+2))\r")
    terminal.expect("first-42")
    terminal.expect_exact("ready> ")
    terminal.send("\x1b[A\r")
    terminal.expect("first-42")


def test_completion_works_on_a_terminal(zsh_tree, tmp_path):
    (tmp_path / "unmistakable-name").touch()
    env = {
        "PATH": "/usr/bin:/bin",
        "TERM": "xterm",
        "PS1": "ready> ",
        "HOME": str(tmp_path),
        "ZDOTDIR": str(tmp_path),
    }
    (tmp_path / ".zshrc").write_text("autoload -Uz compinit; compinit -D; PS1='ready> '\n", encoding="utf-8")
    child = pexpect.spawn(
        str(zsh_tree / "zsh"), ["-i"], env=env, cwd=str(tmp_path), timeout=20, encoding="utf-8"
    )
    child.expect_exact("ready> ")
    child.send("echo unmis\t\r")
    child.expect(r"\r\nunmistakable-name")
    child.close(force=True)
