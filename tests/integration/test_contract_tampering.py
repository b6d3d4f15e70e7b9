"""Clause 3 of the EXEC_WRAPPER contract: a script can't switch interception off by what it does to variables.

Whatever a row of these tables does, each command is handed to the wrapper of the start-up, which sees the
protected variables as they were then. Descriptors are in test_contract_socket.py, wrappers that can't be run in
test_contract_refusal.py.
"""

import os

import pytest

from integration.arena import PROTECTED, Arena
from integration.tables import BASH, ZSH, Case, case, each

pytestmark = [pytest.mark.build, pytest.mark.contract]

EVIL = "@bin@/evil"
ALL = "EXEC_WRAPPER BASH_EXEC_WRAPPER CODEX_ESCALATE_SOCKET"

ASSIGNING = (
    case("unset", f"unset {ALL}; alpha"),
    case("unset -v", "unset -v EXEC_WRAPPER; alpha", shells=BASH),
    case("unset by pattern", "unset -m 'EXEC*' 'CODEX*'; alpha", shells=ZSH),
    case("emptied", "EXEC_WRAPPER=; alpha"),
    case("another wrapper", f"EXEC_WRAPPER={EVIL}; alpha"),
    case("exported another wrapper", f"export EXEC_WRAPPER={EVIL}; alpha"),
    case("white space in front", 'EXEC_WRAPPER=" $EXEC_WRAPPER"; alpha'),
    case("appended to", "EXEC_WRAPPER+=x; alpha"),
    case("older variable", f"export BASH_EXEC_WRAPPER={EVIL}; alpha; unset EXEC_WRAPPER; alpha"),
    case("other socket", "CODEX_ESCALATE_SOCKET=0; alpha"),
    case("unset socket", "unset CODEX_ESCALATE_SOCKET; alpha"),
    case("all at once", f"export EXEC_WRAPPER= BASH_EXEC_WRAPPER={EVIL} CODEX_ESCALATE_SOCKET=1; alpha"),
    case("allexport", f"set -a; EXEC_WRAPPER={EVIL}; alpha"),
    case("as loop variable", f"for EXEC_WRAPPER in {EVIL} ''; do alpha; done"),
    case("read", f"read EXEC_WRAPPER <<<{EVIL}; alpha"),
    case("printf -v", f"printf -v EXEC_WRAPPER %s {EVIL}; alpha"),
    case("getopts", "set -- -x; getopts x EXEC_WRAPPER; alpha"),
    case("default value", f"unset EXEC_WRAPPER; : ${{EXEC_WRAPPER:={EVIL}}}; export EXEC_WRAPPER; alpha"),
    case("arithmetic", "unset EXEC_WRAPPER; (( EXEC_WRAPPER = 5 )); export EXEC_WRAPPER; alpha"),
)

PREFIXES = (
    case("empty", "EXEC_WRAPPER= alpha"),
    case("another wrapper", f"EXEC_WRAPPER={EVIL} alpha"),
    case("older variable", f"EXEC_WRAPPER= BASH_EXEC_WRAPPER={EVIL} alpha"),
    case("socket", "CODEX_ESCALATE_SOCKET= alpha; CODEX_ESCALATE_SOCKET=1 alpha"),
    case("before exec", f"EXEC_WRAPPER={EVIL} exec alpha"),
    case("before command", "EXEC_WRAPPER= command alpha"),
    case("before eval", "EXEC_WRAPPER= eval alpha"),
    case("before a function", "f() { alpha; }; EXEC_WRAPPER= f"),
    case("before env", "EXEC_WRAPPER= /usr/bin/env", "/usr/bin/env=/usr/bin/env"),
    case("as an argument", f"set -k; alpha EXEC_WRAPPER={EVIL}", shells=BASH),
    case("in a pipeline", "{ EXEC_WRAPPER= alpha >&2; } | EXEC_WRAPPER= alpha"),
    case("in the background", "EXEC_WRAPPER= alpha & wait"),
    case("in a substitution", 'x="$(EXEC_WRAPPER= alpha >&2)"'),
)

ATTRIBUTES = (
    case("export -n", f"export -n {ALL}; alpha", shells=BASH),
    case("declare +x", f"declare +x {ALL}; alpha", shells=BASH),
    case("typeset +x", f"typeset +x {ALL}; alpha"),
    case("typeset -x", f"typeset -x EXEC_WRAPPER={EVIL}; alpha"),
    case("readonly", "readonly EXEC_WRAPPER=; alpha"),
    case("readonly, then unset", "readonly EXEC_WRAPPER; unset EXEC_WRAPPER; alpha", shells=BASH),
    case("readonly, not exported", f"typeset +x EXEC_WRAPPER; readonly EXEC_WRAPPER={EVIL}; alpha"),
    case("integer", "typeset -i EXEC_WRAPPER=5; export EXEC_WRAPPER; alpha"),
    case("upper case", "typeset -u EXEC_WRAPPER; EXEC_WRAPPER=x; export EXEC_WRAPPER; alpha"),
    case("array", "unset EXEC_WRAPPER; typeset -ax EXEC_WRAPPER; EXEC_WRAPPER=(a b); alpha"),
    case("reference to it", f"declare -n r=EXEC_WRAPPER; r={EVIL}; alpha", shells=BASH),
    case(
        "itself a reference", f"unset EXEC_WRAPPER; declare -nx EXEC_WRAPPER=r; r={EVIL}; alpha", shells=BASH
    ),
    case("named reference in zsh", f"typeset -n r=EXEC_WRAPPER; r={EVIL}; alpha", shells=ZSH),
    case("tied", f"typeset -T EXEC_WRAPPER ew; ew=({EVIL}); alpha", shells=ZSH),
    case("tied to another name", f"typeset -xT EVIL EXEC_WRAPPER; EXEC_WRAPPER=({EVIL}); alpha", shells=ZSH),
    case("local", f"f() {{ local EXEC_WRAPPER={EVIL}; export EXEC_WRAPPER; alpha; }}; f"),
    case("local -x", "f() { local -x EXEC_WRAPPER=; alpha; }; f"),
    case("local and unset", "f() { local EXEC_WRAPPER; unset EXEC_WRAPPER; alpha; }; f"),
    case("parameters", "zmodload zsh/parameter; (unset 'parameters[EXEC_WRAPPER]'); alpha", shells=ZSH),
    case("function of its name", "EXEC_WRAPPER() { :; }; export -f EXEC_WRAPPER; alpha", shells=BASH),
)

PLACES = (
    case("subshell", "( unset EXEC_WRAPPER; alpha )"),
    case("substitution", 'x="$(unset EXEC_WRAPPER; alpha >&2)"'),
    case("eval", "eval 'unset EXEC_WRAPPER; alpha'"),
    case("sourced", ". @work@/attempt"),
    case("trap", "trap 'unset EXEC_WRAPPER; alpha' EXIT"),
    case("exec", f"EXEC_WRAPPER={EVIL}; exec alpha"),
    case("exec -c", "( exec -c @bin@/alpha ); unset EXEC_WRAPPER; exec -c @bin@/alpha"),
    case("posix mode", "set -o posix; unset EXEC_WRAPPER; EXEC_WRAPPER= alpha", shells=BASH),
    case("emulation", "emulate sh; unset EXEC_WRAPPER; EXEC_WRAPPER= alpha", shells=ZSH),
    case("coproc", "unset EXEC_WRAPPER; coproc { alpha >&2; }; wait"),
    case("background", "unset EXEC_WRAPPER; alpha & wait"),
    case("script without #!", "unset EXEC_WRAPPER; ./attempt", shells=BASH),
    case("exec of a script without #!", "EXEC_WRAPPER= exec ./attempt", shells=BASH),
    case("exec -c of a script without #!", "exec -c ./attempt", shells=BASH),
)

NESTED = (
    case("plain", "@shell -c@ alpha"),
    case("after unset", f"unset {ALL}; @shell -c@ alpha"),
    case("with prefix", f"EXEC_WRAPPER={EVIL} @shell -c@ 'alpha; alpha'"),
    case("exec", f"export EXEC_WRAPPER={EVIL}; exec @shell -c@ alpha"),
    case("exec -c", "exec -c @shell -c@ @bin@/alpha"),
    case("twice", "EXEC_WRAPPER= @shell -c@ 'EXEC_WRAPPER= @shell -c@ \"EXEC_WRAPPER= alpha\"'"),
    case("socket too", "CODEX_ESCALATE_SOCKET=9 BASH_EXEC_WRAPPER= @shell -c@ alpha"),
    case("a #! script", "unset EXEC_WRAPPER; ./nested"),
    case("start-up file", "EXEC_WRAPPER= BASH_ENV=@work@/attempt @shell@ -c :", shells=BASH),
)

VARIABLES = (*ASSIGNING, *PREFIXES, *ATTRIBUTES, *PLACES, *NESTED)


def prepare(arena: Arena) -> None:
    arena.put("attempt", "unset EXEC_WRAPPER BASH_EXEC_WRAPPER CODEX_ESCALATE_SOCKET; @bin@/alpha\n")
    arena.put("nested", "#!@shell@\nunset EXEC_WRAPPER\nEXEC_WRAPPER= alpha\n")


def assert_all_were_handed_over(arena: Arena, row: Case, start: tuple[bytes, ...]) -> None:
    """Run a row: what ran is what the recorder saw, and it saw the environment of the start-up each time."""
    prepare(arena)
    result = arena.run(row.script)
    records = arena.records()
    printed = (result.stdout + result.stderr).count(os.fsencode("alpha\0"))
    assert printed == sum(record.path.endswith(b"/alpha") for record in records), result
    assert b"evil" not in result.stdout
    assert {(record.wrapper, tuple(sorted(record.protected))) for record in records} <= {
        (os.fsencode(arena.wrapper("recorder")), tuple(sorted(start)))
    }
    assert records, result


@each(VARIABLES)
def test_each_command_is_handed_over_with_the_variables_of_the_start_up(arena: Arena, row: Case) -> None:
    wrapper = b"EXEC_WRAPPER=" + os.fsencode(arena.wrapper("recorder"))
    assert_all_were_handed_over(arena, row, (wrapper,))


@each(VARIABLES)
def test_all_three_variables_are_restored_where_all_were_set(arena: Arena, row: Case) -> None:
    start: dict[str | bytes, str | bytes | os.PathLike[str]] = {
        "EXEC_WRAPPER": arena.wrapper("recorder"),
        "BASH_EXEC_WRAPPER": "/not/used",
        "CODEX_ESCALATE_SOCKET": "not a descriptor",
    }
    arena.start_env.update(start)
    expected = tuple(os.fsencode(name) + b"=" + os.fsencode(value) for name, value in start.items())
    assert_all_were_handed_over(arena, row, expected)


@each(VARIABLES)
def test_nothing_runs_past_a_wrapper_that_refuses_all(arena: Arena, row: Case) -> None:
    prepare(arena)
    result = arena.run(row.script, wrapper="denier")
    assert b"\0" not in result.stdout + result.stderr
    assert b"evil" not in result.stdout
    assert b"denied: " in result.stderr


INTRODUCING = (
    case("both", f"export EXEC_WRAPPER={EVIL} CODEX_ESCALATE_SOCKET=1; alpha"),
    case("empty", "export EXEC_WRAPPER= CODEX_ESCALATE_SOCKET=; alpha"),
    case("prefix", f"EXEC_WRAPPER={EVIL} CODEX_ESCALATE_SOCKET=1 alpha"),
    case("nested shell", f"EXEC_WRAPPER={EVIL} CODEX_ESCALATE_SOCKET=1 @shell -c@ 'alpha; alpha'"),
    case("nested exec", "export EXEC_WRAPPER=; exec @shell -c@ 'alpha; alpha'"),
    case("script", "export EXEC_WRAPPER=; ./nested"),
)


@pytest.mark.valgrind
@each(INTRODUCING)
def test_variables_that_were_not_set_at_start_up_can_not_be_brought_in(arena: Arena, row: Case) -> None:
    prepare(arena)
    start = {"BASH_EXEC_WRAPPER": arena.wrapper("recorder")}
    result = arena.run(row.script, wrapper=None, env=start)
    records = arena.records()
    entry = b"BASH_EXEC_WRAPPER=" + os.fsencode(arena.wrapper("recorder"))
    assert {record.protected for record in records} == {(entry,)}
    assert result.stdout.count(b"alpha\0") == sum(record.argv[0] == b"alpha" for record in records) >= 1


def test_a_program_that_was_let_through_may_start_a_shell_without_a_wrapper(arena: Arena) -> None:
    # The limit of interception, which docs/exec-wrapper.md states: env is judged, not what it runs.
    result = arena.run("env -i @shell -c@ '@bin@/alpha'; env -u EXEC_WRAPPER @shell -c@ alpha")
    assert result.stdout == os.fsencode(arena.bin / "alpha") + b"\0alpha\0"
    assert [call[1] for call in arena.calls()] == [b"env", b"env"]


@pytest.mark.valgrind
@pytest.mark.parametrize("command", ["env -0", "exec env -0", "exec -c /usr/bin/env -0"])
def test_each_protected_variable_is_once_in_the_environment(arena: Arena, command: str) -> None:
    result = arena.run(
        f"EXEC_WRAPPER=; typeset -x CODEX_ESCALATE_SOCKET=; {command}", env={"BASH_EXEC_WRAPPER": "x"}
    )
    names = [entry.partition(b"=")[0] for entry in result.stdout.split(b"\0")]
    assert [names.count(name) for name in PROTECTED] == [1, 1, 0]


@pytest.mark.valgrind
def test_exec_c_leaves_nothing_but_the_protected_variables(arena: Arena) -> None:
    result = arena.run("export SECRET=1; exec -c /usr/bin/env -0", env={"CODEX_ESCALATE_SOCKET": "none"})
    names = {entry.partition(b"=")[0] for entry in result.stdout.split(b"\0") if entry}
    # zsh, patched or not, puts `_` into the environment that it gives.
    assert names - {b"_"} == {b"EXEC_WRAPPER", b"CODEX_ESCALATE_SOCKET"}
