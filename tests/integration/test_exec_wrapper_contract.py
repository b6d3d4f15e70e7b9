"""Clause 1 of the EXEC_WRAPPER contract, for both shells: it is read once, at start-up, before anything else.

The other clauses are in test_contract_*.py beside this file; docs/exec-wrapper.md states them all.
"""

import os

import pytest

from integration.arena import Arena
from integration.tables import BASH, ZSH

pytestmark = [pytest.mark.build, pytest.mark.contract]


@pytest.mark.valgrind
def test_each_exec_becomes_an_exec_of_the_wrapper_with_path_and_argv(arena: Arena) -> None:
    result = arena.run("alpha one 'two words' ''")
    (record,) = arena.records()
    wrapper, alpha = os.fsencode(arena.wrapper("recorder")), os.fsencode(arena.bin / "alpha")
    assert (record.wrapper, record.path) == (wrapper, alpha)
    assert record.argv == (b"alpha", b"one", b"two words", b"")
    assert record.cwd == os.fsencode(arena.work)
    assert (result.status, result.stdout) == (0, b"alpha\0one\0two words\0\0")


def test_a_shell_without_a_wrapper_runs_commands_itself(arena: Arena) -> None:
    result = arena.run("alpha one", wrapper=None)
    assert (result.status, result.stdout, arena.records()) == (0, b"alpha\0one\0", [])


def test_a_wrapper_decides_what_runs(arena: Arena) -> None:
    result = arena.run('alpha one; echo "status $?"', wrapper="denier")
    assert result.stdout == b"status 77\n"
    assert result.stderr == b"denied: " + os.fsencode(arena.bin / "alpha") + b"\n"


@pytest.mark.parametrize("value", ["", " @", "\t@", "\n@", "\v@", "\f@", "\r@", " "])
def test_an_empty_value_or_one_that_begins_with_white_space_is_inactive(arena: Arena, value: str) -> None:
    given = value.replace("@", str(arena.wrapper("recorder")))
    result = arena.run("alpha one; env -0", env={"EXEC_WRAPPER": given})
    assert result.stdout.startswith(b"alpha\0one\0")
    assert f"EXEC_WRAPPER={given}".encode() in result.stdout.split(b"\0")
    assert arena.records() == []


def test_the_older_variable_is_read_when_the_first_is_unset(arena: Arena) -> None:
    arena.run("alpha", wrapper=None, env={"BASH_EXEC_WRAPPER": arena.wrapper("recorder")})
    (record,) = arena.records()
    assert record.protected == (b"BASH_EXEC_WRAPPER=" + os.fsencode(arena.wrapper("recorder")),)


@pytest.mark.parametrize("value", ["", " /wrapper"])
def test_the_older_variable_is_not_read_when_the_first_is_set_but_inactive(arena: Arena, value: str) -> None:
    result = arena.run("alpha", env={"EXEC_WRAPPER": value, "BASH_EXEC_WRAPPER": arena.wrapper("recorder")})
    assert (result.stdout, arena.records()) == (b"alpha\0", [])


def test_of_both_variables_the_first_counts(arena: Arena) -> None:
    arena.run("alpha", env={"BASH_EXEC_WRAPPER": arena.wrapper("denier")})
    assert len(arena.records()) == 1


def test_a_wrapper_that_is_set_later_does_not_begin_to_count(arena: Arena) -> None:
    result = arena.run(
        "export EXEC_WRAPPER=@wrap@/recorder; alpha; EXEC_WRAPPER=@wrap@/recorder alpha", wrapper=None
    )
    assert (result.stdout, arena.records()) == (b"alpha\0alpha\0", [])


def test_a_shell_that_is_started_with_a_wrapper_set_later_obeys_it(arena: Arena) -> None:
    result = arena.run("EXEC_WRAPPER=@wrap@/recorder @shell -c@ 'alpha; exec beta'", wrapper=None)
    assert result.stdout == b"alpha\0beta\0"
    assert arena.calls() == [arena.call("alpha"), arena.call("beta")]


@pytest.mark.valgrind
@pytest.mark.parametrize("relative", ["../wrap/recorder", "./recorder", "recorder"])
def test_a_relative_wrapper_is_resolved_once_at_start_up(arena: Arena, relative: str) -> None:
    folder = arena.work if relative.startswith("..") else arena.root / "wrap"
    script = "alpha 1; cd /; beta 2; cd @bin@; ./gamma 3"
    result = arena.run(script, env={"EXEC_WRAPPER": relative}, cwd=folder)
    assert result.stdout == b"alpha\x001\0beta\x002\0./gamma\x003\0"
    assert [record.argv[1] for record in arena.records()] == [b"1", b"2", b"3"]


def test_a_bare_wrapper_name_is_not_looked_up_along_the_path(arena: Arena) -> None:
    (arena.bin / "recorder").symlink_to(arena.programs / "recorder")
    result = arena.run('alpha; echo "status $?"', env={"EXEC_WRAPPER": "recorder"})
    assert result.stdout == b"status 127\n"
    assert b"recorder" in result.stderr


@pytest.mark.valgrind
def test_a_relative_wrapper_in_a_folder_that_is_gone_runs_nothing(arena: Arena) -> None:
    # The outer shell has no wrapper; the inner one starts where its own folder was removed.
    script = (
        "mkdir gone; cd gone; rmdir ../gone; EXEC_WRAPPER=./recorder @shell -c@ 'alpha; echo \"status $?\"'"
    )
    result = arena.run(script, wrapper=None)
    assert result.stdout in {b"status 126\n", b"status 127\n"}
    assert b"EXEC_WRAPPER" in result.stderr


STARTUP = "unset EXEC_WRAPPER; @bin@/alpha startup\n"
"""Each start-up file tries to switch the wrapper off, then runs a command (by its full path: /etc/profile sets PATH)."""

STARTUP_FILES: tuple[tuple[str, tuple[str, ...], dict[str, str], tuple[str, ...]], ...] = (
    ("BASH_ENV", BASH, {"BASH_ENV": "@home@/BASH_ENV"}, ()),
    ("ENV", BASH, {"ENV": "@home@/ENV"}, ("--posix", "-i")),
    ("rcfile", BASH, {}, ("--rcfile", "@home@/rcfile", "-i")),
    (".bashrc", BASH, {}, ("-i",)),
    (".bash_profile", BASH, {}, ("-l",)),
    (".profile", BASH, {}, ("-l",)),
    (".bash_logout", BASH, {}, ("-l",)),
    (".zshenv", ZSH, {}, ()),
    (".zshrc", ZSH, {}, ("-i",)),
    (".zprofile", ZSH, {}, ("-l",)),
    (".zlogin", ZSH, {}, ("-l",)),
    (".zlogout", ZSH, {}, ("-l", "-i")),
)


@pytest.mark.parametrize(
    ("shell", "name", "env", "flags"),
    [
        pytest.param(shells[0], name, env, flags, id=f"{shells[0]}-{name}")
        for name, shells, env, flags in STARTUP_FILES
    ],
    indirect=["shell"],
)
def test_commands_of_start_up_files_are_intercepted_and_can_not_switch_it_off(
    arena: Arena, name: str, env: dict[str, str], flags: tuple[str, ...]
) -> None:
    (arena.root / "home" / name).write_text(arena.fill(STARTUP), encoding="utf-8")
    arena.run(
        "@bin@/beta; exit 0",
        flags=[arena.fill(flag) for flag in flags],
        env={key: arena.fill(value) for key, value in env.items()},
    )
    calls = [record for record in arena.records() if record.path.startswith(os.fsencode(arena.bin))]
    assert {record.argv[1:] for record in calls} == {(b"startup",), ()}
    assert len(calls) == 2
    wrapper = b"EXEC_WRAPPER=" + os.fsencode(arena.wrapper("recorder"))
    assert {record.protected for record in calls} == {(wrapper,)}


INVOCATIONS = ("-c", "file", "stdin", "-s")


@pytest.mark.valgrind
@pytest.mark.parametrize("way", INVOCATIONS)
def test_it_does_not_matter_how_the_shell_gets_its_script(arena: Arena, way: str) -> None:
    text = "alpha one\n"
    script = arena.put("script", text)
    if way == "-c":
        arena.run(text)
    elif way == "file":
        arena.run(None, script)
    else:
        arena.run(None, *(["-s"] if way == "-s" else []), stdin=text.encode())
    assert arena.calls() == [arena.call("alpha one")]


@pytest.mark.parametrize("name", ["sh", "-sh", "rbash", "rzsh", "ksh"])
def test_it_does_not_matter_under_which_name_the_shell_runs(arena: Arena, name: str) -> None:
    # A login shell gets another PATH from /etc/profile, a restricted one takes no path.
    command = "@bin@/alpha" if name.startswith("-") else "alpha"
    inner = f"unset EXEC_WRAPPER; {command} one"
    arena.run(f"EXEC_WRAPPER=@wrap@/recorder exec -a {name} @shell@ -c '{inner}'", wrapper=None)
    assert arena.call(f"{command} one") in arena.calls()
