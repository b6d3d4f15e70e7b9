"""Clause 3 of the EXEC_WRAPPER contract: where the wrapper itself can't be run, no command runs.

The command fails with 126 or 127 and a message that names the variable and the wrapper, wherever it stands.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from excuses import machine
from integration.arena import EMULATED, Arena
from integration.bounded import run_bounded
from integration.tables import BASH, ZSH, Case, case, each

pytestmark = [pytest.mark.build, pytest.mark.contract]

MISSING = "/nowhere/wrapper"


@pytest.fixture
def bad(arena: Arena) -> dict[str, str]:
    """Wrappers that can't be run, by what is wrong with them."""
    arena.put("not executable", (arena.programs / "recorder").read_bytes(), 0o644)
    arena.put("empty", b"")
    arena.put("text", '#nothing that a kernel knows\nexec "$@"\n')
    arena.put("lost interpreter", "#!/nowhere/interpreter\n")
    arena.put("truncated", (arena.programs / "recorder").read_bytes()[:100])
    (arena.work / "folder").mkdir()
    (arena.work / "dangling").symlink_to("/nowhere")
    (arena.work / "loop").symlink_to("loop")
    os.mkfifo(arena.work / "fifo", 0o755)
    names = (
        "not executable",
        "empty",
        "text",
        "lost interpreter",
        "truncated",
        "folder",
        "dangling",
        "loop",
        "fifo",
    )
    return {
        **{name: str(arena.work / name) for name in names},
        "missing": MISSING,
        "below a file": f"{arena.work}/text/wrapper",
        "long name": f"{arena.work}/{'x' * 300}",
        "long path": f"{arena.work}{'/x' * 3000}",
        "the PATH's": "recorder",
        "bytes": f"{arena.work}/\udcff\udc80",
    }


BAD = {
    "not executable": 126,
    "empty": 126,
    "text": 126,
    "lost interpreter": 127,
    "truncated": 126,
    "folder": 126,
    "dangling": 127,
    "loop": 126,
    "fifo": 126,
    "missing": 127,
    "below a file": 126,
    "long name": 126,
    "long path": 126,
    "the PATH's": 127,
    "bytes": 127,
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("variable", ["EXEC_WRAPPER", "BASH_EXEC_WRAPPER"])
def test_a_wrapper_that_can_not_be_run_makes_commands_fail(
    arena: Arena, bad: dict[str, str], kind: str, variable: str
) -> None:
    (arena.bin / "recorder").symlink_to(arena.programs / "recorder")
    result = arena.run('alpha; echo "status $?"', wrapper=None, env={variable: bad[kind]})
    assert result.stdout == f"status {BAD[kind]}\n".encode()
    assert re.search(rf"\b{variable}\b".encode(), result.stderr)
    # A message has an end, also where a path has none; a shell may write bytes that are no text in its own way.
    printable = re.match(rb"[ -~]{1,255}", os.fsencode(bad[kind]))
    assert printable
    assert printable[0] in result.stderr
    assert result.stderr.count(b"\n") == 1


PLACES = (
    case("simple", "alpha"),
    case("path", "@bin@/alpha"),
    case("exec", "( exec alpha )"),
    case("exec -c", "( exec -c @bin@/alpha )"),
    case("command", "command alpha"),
    case("time", "time alpha"),
    case("pipeline", ": | alpha"),
    case("background", "alpha & wait $!"),
    case("subshell", "( alpha )"),
    case("substitution", "x=$(alpha)"),
    case("function", "f() { alpha; }; f"),
    case("eval", "eval alpha"),
    case("#! script", "@work@/script"),
    case("script without #!", "@work@/plain", shells=BASH),
    case("nested shell", "@shell -c@ alpha"),
    case("second PATH entry", "PATH=/nowhere:/usr/bin:@bin@ alpha"),
    case("relative PATH", "cd @root@; PATH=bin:@bin@; alpha"),
    case("execfail", "shopt -s execfail; exec alpha", shells=BASH),
    case("posix mode", "set -o posix; alpha", shells=BASH),
    case("hashed", "hash alpha; alpha"),
    case("not found handler", "command_not_found_handle() { echo handled; }; alpha", shells=BASH),
    case("handler in zsh", "command_not_found_handler() { echo handled; }; alpha", shells=ZSH),
)


@pytest.mark.valgrind
@each(PLACES)
def test_it_fails_so_wherever_the_command_stands(arena: Arena, row: Case) -> None:
    arena.put("plain", "alpha\n")
    arena.put("script", "#!@bin@/beta\n")
    result = arena.run(f'{row.script}; echo "status $?"', wrapper=None, env={"EXEC_WRAPPER": MISSING})
    assert result.stdout == b"status 127\n"
    # Once: not for each folder of PATH.
    assert result.stderr.count(f"EXEC_WRAPPER: {MISSING}".encode()) == 1


@pytest.mark.skipif(
    EMULATED,
    reason="an emulated shell whose wrapper is not there takes this machine's commands for foreign ones",
)
@pytest.mark.parametrize("shell", ZSH, indirect=True)
@pytest.mark.parametrize("command", ["PATH=/nowhere; command -p env", "./plain"])
def test_it_fails_so_with_a_command_of_the_system_too(arena: Arena, command: str) -> None:
    arena.put("plain", "alpha\n")  # which zsh gives to /bin/sh
    result = arena.run(f'{command}; echo "status $?"', wrapper=None, env={"EXEC_WRAPPER": MISSING})
    assert result.stdout == b"status 127\n"
    assert result.stderr.count(f"EXEC_WRAPPER: {MISSING}".encode()) == 1


def test_a_substitution_and_a_coprocess_run_nothing_either(arena: Arena) -> None:
    result = arena.run(
        "cd @work@; : <(alpha >1) >(alpha >2); coproc alpha; wait; trap 'alpha >3' EXIT",
        wrapper=None,
        env={"EXEC_WRAPPER": MISSING},
    )
    assert {file.read_bytes() for file in arena.work.iterdir()} <= {b""}
    assert result.stdout == b""


def test_a_failed_exec_ends_a_script_as_a_command_that_is_not_found_does(arena: Arena) -> None:
    result = arena.run("exec alpha; echo not reached", wrapper=None, env={"EXEC_WRAPPER": MISSING})
    assert (result.status, result.stdout) == (127, b"")


MIDWAY = (
    case("deleted", "command rm @work@/wrapper", "127"),
    case("no longer executable", "chmod a-x @work@/wrapper", "126"),
    case("replaced by a folder", "/bin/sh -c 'rm @work@/wrapper; mkdir @work@/wrapper'", "126"),
    case("emptied", "cp /dev/null @work@/wrapper", "126"),
    case("its folder renamed", "mv @work@ @root@/elsewhere", "127"),
)


@each(MIDWAY)
def test_a_wrapper_that_is_lost_midway_ends_all_running(arena: Arena, row: Case) -> None:
    arena.put("wrapper", (arena.programs / "passthrough").read_bytes())
    script = (
        f'alpha before; {row.script}; alpha after; echo "status $?"; EXEC_WRAPPER= alpha; echo "status $?"'
    )
    result = arena.run(script, wrapper=None, env={"EXEC_WRAPPER": arena.work / "wrapper"}, cwd=arena.root)
    status = f"status {row.expected[0]}\n".encode()
    assert result.stdout == b"alpha\0before\0" + status * 2
    assert result.stderr.count(os.fsencode(arena.work / "wrapper")) == 2


def test_a_wrapper_may_be_a_script(arena: Arena) -> None:
    arena.put("wrapper", '#!/bin/sh\necho "path $1 argv0 $2"\npath=$1; shift 2; exec "$path" "$@"\n')
    result = arena.run("alpha one", wrapper=None, env={"EXEC_WRAPPER": arena.work / "wrapper"})
    alpha = os.fsencode(arena.bin / "alpha")
    assert result.stdout == b"path " + alpha + b" argv0 alpha\n" + alpha + b"\0one\0"


def test_a_broken_wrapper_is_not_read_as_a_script(arena: Arena) -> None:
    arena.put("wrapper", "@bin@/evil\n")
    result = arena.run(
        'alpha; exec alpha; echo "reached"', wrapper=None, env={"EXEC_WRAPPER": arena.work / "wrapper"}
    )
    assert (result.status, result.stdout) == (126, b"")


def test_what_the_kernel_would_refuse_is_told_as_ever(arena: Arena) -> None:
    # The wrapper would not have been asked about these, so its absence doesn't matter.
    arena.put("script", "#!/nowhere/interpreter\n")
    script = "nosuchcommand; echo $?; @work@; echo $?; @work@/script; echo $?"
    plain = arena.run(script, wrapper=None, patched=False)
    assert arena.run(script, wrapper=None, env={"EXEC_WRAPPER": MISSING}) == plain


@pytest.mark.skipif(os.geteuid() != 0, reason=machine("only root makes a file that sets another user's ID"))
def test_a_set_user_id_shell_lends_its_privilege_to_no_wrapper(arena: Arena) -> None:
    if arena.shell.runner or EMULATED:
        pytest.skip("a set-user-ID file takes effect only where the kernel itself starts it")
    status = Path("/proc/self/status")
    if status.exists() and "\nNoNewPrivs:\t1\n" in status.read_text(encoding="utf-8"):
        pytest.skip(
            machine("no process here gains privileges (no_new_privs, as in a root that bubblewrap made)")
        )
    privileged = arena.root / "privileged"
    shutil.copyfile(arena.shell.patched, privileged)
    os.chown(privileged, 65534, 65534)
    privileged.chmod(0o4755)
    flags = {"bash": ("--norc", "--noprofile", "-p"), "zsh": ("-f",)}[arena.shell.name]
    result = run_bounded(
        [privileged, *flags, "-c", '/bin/true; echo "status $?"'],
        cwd=Path("/"),
        env=arena.environment(None, {"EXEC_WRAPPER": "/bin/echo"}),
        deadline_s=arena.shell.deadline_s,
    )
    assert result.stdout == b"status 126\n"
    assert b"not honoured in a set-user-ID shell" in result.stderr
