"""Clause 3 of the EXEC_WRAPPER contract: the session's socket stays what it was, at its number, or nothing runs.

The tests give the shell one end of a real datagram socketpair, as a session does, and a second socket that an
attacker might put in its place. Process trees of both shells are here too.
"""

import fcntl
import os
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from integration.arena import Arena, Shell
from integration.tables import BASH, ZSH, Case, case, each

pytestmark = [pytest.mark.build, pytest.mark.contract]

DESCRIPTORS = 512
"""What a process may have, at least, where numbers that no test uses are to be had."""


@dataclass(frozen=True, slots=True)
class Session:
    """Descriptors of the session's socket and of another one, at numbers that no test uses."""

    own: int
    other: int

    @property
    def inode(self) -> bytes:
        return str(os.fstat(self.own).st_ino).encode()


@pytest.fixture
def session() -> Iterator[Session]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in range(DESCRIPTORS):  # 256 on macOS
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    numbers = [fcntl.fcntl(pair[0].fileno(), fcntl.F_DUPFD_CLOEXEC, 300) for pair in pairs]
    yield Session(*numbers)
    for number in numbers:
        os.close(number)
    for pair in pairs:
        for end in pair:
            end.close()


EVERYWHERE = """\
alpha 1; ./nested; (alpha 2); x=$(alpha 3 >&2); : <(alpha 4 >&2); alpha 5 | alpha 6; alpha 7 & wait
@shell -c@ 'alpha 8; exec alpha 9'; exec alpha 10
"""


@pytest.mark.parametrize("number", [3, 9, 10, 11, 12, 63, 64, 255])
def test_the_socket_is_the_same_one_in_every_child(arena: Arena, session: Session, number: int) -> None:
    arena.put("nested", "#!@shell@\nalpha; exec beta\n")
    result = arena.run(EVERYWHERE, env={"CODEX_ESCALATE_SOCKET": str(number)}, fds={number: session.own})
    records = arena.records()
    assert {record.socket for record in records} == {session.inode}, result
    assert {f"CODEX_ESCALATE_SOCKET={number}".encode() in record.protected for record in records} == {True}
    assert len(records) == 14


REFUSED = (
    case("closed", "exec 9>&-; alpha"),
    case("closed as input", "exec 9<&-; alpha"),
    case("a file", "exec 9</dev/null; alpha"),
    case("a file for writing", "exec 9>@work@/file; alpha"),
    case("a pipe", "exec 9< <(:); alpha"),
    case("another socket", "exec 9<&8; alpha"),
    case("standard output", "exec 9>&1; alpha"),
    case("moved away", "exec 7<&9 9<&-; alpha"),
    case("other number announced", "exec 9>&-; CODEX_ESCALATE_SOCKET=8; alpha"),
    case("closed for one command", "alpha 9>&-"),
    case("a file for one command", "alpha 9>@work@/file"),
    case("another socket for one command", "alpha 9>&8"),
    case("for a group", "{ alpha; } 9>&-"),
    case("for a function", "f() { alpha; }; f 9>&-"),
    case("for eval", "eval alpha 9>&-"),
    case("for a sourced file", ". @work@/attempt 9>&-"),
    case("for a subshell", "( alpha ) 9>&-"),
    case("in a subshell", "( exec 9>&-; alpha )"),
    case("in a pipeline", ": | alpha 9>&-"),
    case("in the background", "alpha 9>&- & wait $!"),
    case("in a substitution", 'x="$(alpha 9>&- >&2)"'),
    case("command", "command alpha 9>&-"),
    case("time", "time alpha 9>&-"),
    case("exec", "( exec alpha 9>&- )"),
    case("exec -c", "( exec -c @bin@/alpha 9</dev/null )"),
    case("nested shell", "@shell -c@ alpha 9>&-"),
    case("variable number", "fd=9; exec {fd}>&-; alpha"),
    case("script without #!", "@work@/attempt 9>&-", shells=BASH),
    case("moved by bash", "exec 7>&9-; alpha", shells=BASH),
    case("coproc", "coproc alpha 9>&-; wait $!"),
    case("sysopen", "zmodload zsh/system; sysopen -r -u 9 /dev/null; alpha", shells=ZSH),
    case("zsocket", "zmodload zsh/net/socket; zsocket -l -d 9 @work@/socket; alpha", shells=ZSH),
)


def run_with_sockets(arena: Arena, session: Session, script: str, **env: str) -> tuple[bytes, bytes]:
    """Run a script whose last command gives its status, with the session's socket at 9 and another at 8."""
    arena.put("attempt", "alpha\n")
    result = arena.run(
        f'{script}; echo "status $?"',
        env={"CODEX_ESCALATE_SOCKET": "9", **env},
        fds={9: session.own, 8: session.other},
    )
    return result.stdout, result.stderr


@each(REFUSED)
def test_a_command_without_the_sessions_socket_is_refused(arena: Arena, session: Session, row: Case) -> None:
    stdout, stderr = run_with_sockets(arena, session, row.script)
    if b"failed to load module" in stderr:
        pytest.skip("this build of zsh lacks the module")
    assert b"status 126\n" in stdout
    assert b"CODEX_ESCALATE_SOCKET" in stderr
    assert b"alpha\0" not in stdout + stderr
    assert arena.records() == []


@pytest.mark.valgrind
@pytest.mark.parametrize("number", [10, 64, 255])
def test_a_large_number_does_not_help(arena: Arena, session: Session, number: int) -> None:
    result = arena.run(
        f'fd={number}; exec {{fd}}>&-; alpha; echo "status $?"',
        env={"CODEX_ESCALATE_SOCKET": str(number)},
        fds={number: session.own},
    )
    # A shell may keep a descriptor that it uses itself; then the command must have had the socket.
    refused = b"status 126\n" in result.stdout and b"alpha" not in result.stdout
    assert refused or {record.socket for record in arena.records()} == {session.inode}, result


HANDED_OVER = (
    case("untouched", "alpha"),
    case("duplicated", "exec 7<&9; alpha"),
    case("moved and brought back", "exec 7<&9 9<&-; exec 9<&7 7<&-; alpha"),
    case("onto itself", "alpha 9>&9"),
    case("closed for a builtin before", ": 9>&-; alpha"),
    case("a file for a builtin before", "echo x 9>@work@/file; alpha"),
    case("closed for a group before", "{ :; } 9>&-; alpha"),
    case("closed for a function before", "f() { :; }; f 9>&-; alpha"),
    case("closed for eval before", "eval : 9>&-; alpha"),
    case("closed in a subshell before", "( exec 9>&- ); alpha"),
    case("other number announced", "CODEX_ESCALATE_SOCKET=8 alpha"),
    case("opened and closed elsewhere", "exec 7</dev/null; exec 7<&-; alpha"),
    case("few descriptors", "ulimit -n 64; alpha"),
    case("no more descriptors", "ulimit -n 9; alpha"),
)


@pytest.mark.valgrind
@each(HANDED_OVER)
def test_a_command_with_the_sessions_socket_is_handed_over(arena: Arena, session: Session, row: Case) -> None:
    stdout, stderr = run_with_sockets(arena, session, row.script)
    (record,) = arena.records()
    assert record.socket == session.inode
    assert stdout.endswith(b"alpha\0status 0\n"), stderr


def test_a_socket_that_was_not_there_at_start_up_can_not_appear(arena: Arena, session: Session) -> None:
    script = 'alpha 1; alpha 2 9<&8; echo "status $?"; exec 9<&8; alpha 3; echo "status $?"'
    result = arena.run(script, env={"CODEX_ESCALATE_SOCKET": "9"}, fds={8: session.other})
    assert result.stdout == b"alpha\x001\0status 126\nstatus 126\n"
    (record,) = arena.records()
    assert record.socket == b"-"


@pytest.mark.parametrize("number", ["", "none", "-1", "99999999999999999999", "4294967305", "9 "])
def test_a_number_that_is_none_is_handed_on_for_the_wrapper_to_judge(arena: Arena, number: str) -> None:
    result = arena.run("exec 9>&-; alpha", env={"CODEX_ESCALATE_SOCKET": number})
    (record,) = arena.records()
    assert f"CODEX_ESCALATE_SOCKET={number}".encode() in record.protected
    assert result.stdout == b"alpha\0"


def test_the_socket_is_not_checked_where_no_wrapper_is_active(arena: Arena, session: Session) -> None:
    result = arena.run(
        "exec 9>&-; alpha", wrapper=None, env={"CODEX_ESCALATE_SOCKET": "9"}, fds={9: session.own}
    )
    assert (result.status, result.stdout) == (0, b"alpha\0")


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
@pytest.mark.parametrize("number", [9, 64])
@pytest.mark.parametrize("way", ["-c", "#!"])
@pytest.mark.parametrize("first", ["bash", "zsh"])
def test_trees_of_both_shells_keep_wrapper_and_socket(
    arena: Arena, session: Session, shell_named: Callable[[str], Shell], number: int, way: str, first: str
) -> None:
    twin = Arena(root=arena.root / "twin", shell=shell_named("zsh"), programs=arena.programs)
    outer, inner = (arena, twin) if first == "bash" else (twin, arena)
    inner.install(patched=True)
    leaf = "unset EXEC_WRAPPER; alpha leaf"
    if way == "-c":
        script = f"EXEC_WRAPPER= {inner.path} -c '{outer.path} -c \"{leaf}\"; alpha middle'; alpha top"
    else:
        outer.put("leaf", f"#!{outer.path}\n{leaf}\n")
        outer.put("middle", f"#!{inner.path}\nEXEC_WRAPPER= ./leaf\nalpha middle\n")
        script = "unset EXEC_WRAPPER; ./middle; alpha top"
    outer.run(script, env={"CODEX_ESCALATE_SOCKET": str(number)}, fds={number: session.own})
    records = outer.records()
    assert [record.argv[-1] for record in records if record.argv[0] == b"alpha"] == [
        b"leaf",
        b"middle",
        b"top",
    ]
    assert len(records) == 5
    assert {record.socket for record in records} == {session.inode}
    start = {
        b"EXEC_WRAPPER=" + os.fsencode(outer.wrapper("recorder")),
        f"CODEX_ESCALATE_SOCKET={number}".encode(),
    }
    assert all(set(record.protected) == start and len(record.protected) == 2 for record in records)
