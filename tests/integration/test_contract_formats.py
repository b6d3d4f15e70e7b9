"""Clause 4 of the EXEC_WRAPPER contract: what becomes of a file that the kernel refuses is what became of it.

An in-place exec tells the shell what the kernel thinks of a file, and the shell acts on it: bash reads a script
without `#!` itself, zsh gives it to /bin/sh, both have messages of their own. Each kind of file in zoo.py is run
in three ways, in the unpatched shell, the patched one, and that under a pass-through wrapper.
"""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from excuses import machine
from integration.arena import EMULATED, LINUX, Arena
from integration.bounded import Result
from integration.tables import BASH, ZSH
from integration.zoo import make_zoo, zoo_names

pytestmark = [pytest.mark.build, pytest.mark.contract]

SCRIPT = """\
( ./"$1" a b ); echo "path $?"
( exec ./"$1" a b ); echo "exec $?"
( PATH=$PWD:$PATH; "$1" a b; echo "PATH $?"; exec "$1" c )
./"$1" a b | cat; x=$(./"$1" a); echo "$? $x"; ./"$1" a &
wait $!; echo "last $?"
exec ./"$1" a b
"""

DYNAMIC_PROGRAM = Path("/bin/true")
EMULATION = os.environ.get("CONTRACT_FORMAT")
"""The entry of binfmt_misc by which this machine starts the shells, where they are another machine's."""


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory, programs: Path) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    own = LINUX and not EMULATED
    make_zoo(
        folder,
        show=programs / "show",
        static=programs / ("show" if own else "static"),
        dynamic=DYNAMIC_PROGRAM if own else programs / "dynamic",
    )
    return folder


def run_in(arena: Arena, zoo: Path, script: str, *args: str, wrapper: str | None, patched: bool) -> Result:
    result = arena.run(script, *args, wrapper=wrapper, patched=patched, cwd=zoo)
    # Bash names a process that a signal ended by its number.
    return dataclasses.replace(result, stderr=re.sub(rb"(: line \d+:) +\d+ ", rb"\1 N ", result.stderr))


@pytest.mark.parametrize("name", zoo_names())
def test_each_kind_of_file_fares_as_in_the_unpatched_shell(arena: Arena, zoo: Path, name: str) -> None:
    unpatched = run_in(arena, zoo, SCRIPT, name, wrapper=None, patched=False)
    assert run_in(arena, zoo, SCRIPT, name, wrapper=None, patched=True) == unpatched
    assert run_in(arena, zoo, SCRIPT, name, wrapper="passthrough", patched=True) == unpatched


@pytest.mark.valgrind
def test_all_kinds_of_files_can_be_looked_at_in_one_shell(arena: Arena, zoo: Path) -> None:
    # Comparisons apart: this one shows a memory checker what reads the files.
    names = "\n".join(zoo_names())
    script = f"while read -r f; do (./$f a b </dev/null >/dev/null 2>&1); echo $f; done <<E\n{names}\nE"
    result = run_in(arena, zoo, script, wrapper="denier", patched=True)
    assert result.stdout.decode().split() == zoo_names()


LEFT_TO_QEMU = pytest.mark.skipif(
    EMULATED,
    reason="that a program of the shells' machine is broken is told by qemu, after an exec that succeeds",
)


@pytest.mark.parametrize(
    "name",
    [
        *("text-plain", "line-missing", "line-text", "folder"),
        *(pytest.param(name, marks=LEFT_TO_QEMU) for name in ("elf-lost-loader", "elf-first-64")),
    ],
)
def test_a_wrapper_that_refuses_all_is_not_asked_about_what_can_not_run(
    arena: Arena, zoo: Path, name: str
) -> None:
    unpatched = run_in(arena, zoo, './"$1" a; echo $?', name, wrapper=None, patched=False)
    denied = run_in(arena, zoo, './"$1" a; echo $?', name, wrapper="denier", patched=True)
    # zsh gives a script to /bin/sh, which can run.
    assert denied == unpatched or denied.stderr == b"denied: /bin/sh\n"


@pytest.mark.parametrize("shell", BASH, indirect=True)
def test_bash_reads_a_script_without_an_interpreter_itself(arena: Arena) -> None:
    arena.put("plain", 'unset EXEC_WRAPPER; a=("$@"); alpha "$0" "${#a[@]}" "${a[@]}"; (beta); exec gamma\n')
    result = arena.run("./plain one 'two words'; exec ./plain three")
    records = arena.records()
    assert [record.argv for record in records] == [
        (b"alpha", b"./plain", b"2", b"one", b"two words"),
        (b"beta",),
        (b"gamma",),
        (b"alpha", os.fsencode(arena.work / "plain"), b"1", b"three"),
        (b"beta",),
        (b"gamma",),
    ]
    assert {record.protected for record in records} == {
        (b"EXEC_WRAPPER=" + os.fsencode(arena.wrapper("recorder")),)
    }
    assert result.status == 0


@pytest.mark.parametrize("shell", BASH, indirect=True)
def test_bash_reads_scripts_of_scripts_without_interpreters(arena: Arena) -> None:
    arena.put("outer", "./inner $1; alpha outer\n")
    arena.put("inner", "alpha inner $1\n")
    arena.run("./outer one")
    assert arena.calls() == [arena.call("alpha inner one"), arena.call("alpha outer")]


@pytest.mark.parametrize("shell", ZSH, indirect=True)
@pytest.mark.parametrize("name", ["plain", "-plain", "+plain"])
def test_zsh_hands_a_script_without_an_interpreter_to_sh(arena: Arena, name: str) -> None:
    arena.put(name, "echo $0 $1\n")
    result = arena.run(f"PATH=$PWD:$PATH; ./{name} one; {name} two")
    path = os.fsencode(arena.work / name)
    assert [call[:2] for call in arena.calls()] == [(b"/bin/sh", b"sh")] * 2
    assert result.stdout == b"./" + name.encode() + b" one\n" + path + b" two\n"


def test_a_script_with_an_interpreter_is_handed_over_as_the_script(arena: Arena) -> None:
    arena.put("script", "#!@bin@/alpha -o\n")
    result = arena.run("./script one")
    assert arena.calls() == [arena.call("./script one")]
    assert result.stdout == os.fsencode(arena.bin / "alpha") + b"\0-o\0./script\0one\0"


def test_nothing_is_handed_over_for_a_command_that_can_not_run(arena: Arena, zoo: Path) -> None:
    names = "folder link-dangling link-loop mode-read-only line-missing line-folder elf-lost-loader nosuch text-empty"
    if EMULATED:  # then this one is qemu's to refuse
        names = names.replace("elf-lost-loader ", "")
    if arena.shell.name == "zsh":  # which gives it to /bin/sh
        names = names.removesuffix(" text-empty")
    arena.run("".join(f"./{name}; PATH=$PWD {name}; " for name in names.split()), cwd=zoo)
    assert arena.records() == []


def test_the_first_file_along_the_path_that_can_run_is_handed_over_once(arena: Arena) -> None:
    arena.put("a/delta", "#!/nowhere/interpreter\n", 0o644)
    (arena.work / "b" / "delta").mkdir(parents=True)
    arena.put("c/delta", "#!@bin@/alpha\n")
    arena.put("d/delta", "#!@bin@/beta\n")
    arena.run("PATH=$PWD/nosuch:$PWD/a:$PWD/b:$PWD/c:$PWD/d; delta one")
    assert arena.calls() == [arena.call("@work@/c/delta=delta one")]


REGISTERING = f"""\
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc &&
printf %s {shlex.quote(EMULATION or "")} >{"/proc/sys/fs/binfmt_misc/register" if EMULATION else "/dev/null"} &&
echo ':by-magic:M:1:\\x00\\xcd:\\xff\\xfd:/bin/echo:' >/proc/sys/fs/binfmt_misc/register &&
echo ':by-name:E::foreign::/bin/echo:' >/proc/sys/fs/binfmt_misc/register &&
exec "$@"
"""
OWN_FORMATS = ("unshare", "-Urm", "sh", "-c", REGISTERING, "sh")
"""Formats that this machine learns for the length of a test (binfmt_misc; Linux 6.7 has them for each namespace)."""


@pytest.mark.parametrize(
    "name", ["magic", "magic-masked", "magic-elsewhere", "name.foreign", "name.foreigner", "foreign"]
)
def test_a_format_that_an_administrator_registered_is_handed_over(arena: Arena, name: str) -> None:
    if arena.shell.runner:
        pytest.skip("this way of starting the shells takes no other beside it")
    if shutil.which("unshare") is None:
        pytest.skip("this system has no unshare: only Linux has formats that a namespace registers")
    if subprocess.run([*OWN_FORMATS, "true"], capture_output=True, timeout=10, check=False).returncode != 0:
        pytest.skip(machine("a namespace may register no formats of its own (Linux 6.7, user namespaces)"))
    arena.shell = dataclasses.replace(arena.shell, runner=OWN_FORMATS)
    content = {"magic": b"x\0\xcd", "magic-masked": b"x\0\xcf", "magic-elsewhere": b"\0\xcd"}.get(name, b"\0")
    arena.put(name, content + b"\n")
    script = f'./{name} a b; echo "status $?"; exec ./{name} c'
    unpatched = arena.run(script, wrapper=None, patched=False)
    assert arena.run(script, wrapper=None) == unpatched
    assert arena.run(script, wrapper="passthrough") == unpatched
