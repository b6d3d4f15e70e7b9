"""Clause 2 of the EXEC_WRAPPER contract: every way in which a shell execs reaches the wrapper, byte for byte.

Each row is a script and the execs it leads to, in any order; an exec is written as words, the first of them
`argv0` or `path=argv0`. Ways that need a terminal are in test_contract_terminal.py.
"""

import os

import pytest

from integration.arena import Arena
from integration.tables import BASH, ZSH, Case, case, each

pytestmark = [pytest.mark.build, pytest.mark.contract]

COMMANDS = (
    case("simple", "alpha one two", "alpha one two"),
    case("no arguments", "alpha", "alpha"),
    case("quoted", "alpha 'one two' \"\" \\*", "alpha 'one two' '' '*'"),
    case("absolute path", "@bin@/alpha one", "@bin@/alpha one"),
    case("relative path", "cd @bin@; ./alpha one", "./alpha one"),
    case("path with parent", "cd @work@; ../bin/alpha one", "../bin/alpha one"),
    case("relative PATH entry", "cd @root@; PATH=bin; alpha one", "bin/alpha=alpha one"),
    case("assignment", "X=1 alpha", "alpha"),
    case("PATH for one command", "PATH=@bin@ alpha one", "alpha one"),
    case("glob", "cd @bin@; alpha a*", "alpha alpha"),
    case("function", 'f() { alpha "$@"; }; f one', "alpha one"),
    case("nested functions", "f() { g; }; g() { alpha; }; f; beta", "alpha", "beta"),
    case("function of the same name", "alpha() { command alpha inner; }; alpha", "alpha inner"),
    case("alias", "shopt -s expand_aliases\nalias a='alpha one'\na two", "alpha one two", shells=BASH),
    case("alias in zsh", "alias a='alpha one'; eval 'a two'", "alpha one two", shells=ZSH),
    case("global alias", "alias -g G=one; eval 'alpha G'", "alpha one", shells=ZSH),
    case("suffix alias", "alias -s txt=alpha; eval file.txt", "alpha file.txt", shells=ZSH),
    case("eval", "eval 'alpha \"one two\"'", "alpha 'one two'"),
    case("sourced file", ". @work@/lib", "gamma sourced"),
    case("autoloaded function", "fpath=(@work@); autoload -U lib; lib", "gamma sourced", shells=ZSH),
    case("emulation", "emulate sh -c 'alpha one'", "alpha one", shells=ZSH),
    case("restricted", "set -r; alpha one", "alpha one", shells=BASH),
    case("=command", "=alpha one", "@bin@/alpha one", shells=ZSH),
    case("named path", "hash foo=@bin@/alpha; foo one", "alpha=foo one", shells=ZSH),
    case("hashed in bash", "hash -p @bin@/alpha foo; foo one", "alpha=foo one", shells=BASH),
    case("path_dirs", "setopt path_dirs; path=(@root@); bin/alpha", "@bin@/alpha=bin/alpha", shells=ZSH),
    case("anonymous function", '() { alpha "$1"; } one', "alpha one", shells=ZSH),
    case("noglob", "noglob alpha *", "alpha '*'", shells=ZSH),
    case("nocorrect", "nocorrect alpha", "alpha", shells=ZSH),
    case("for", "for i in 1 2; do alpha $i; done", "alpha 1", "alpha 2"),
    case("conditions", "if alpha; then ! beta; fi || gamma", "alpha", "beta", "gamma"),
    case("while and until", "while alpha; do break; done; until beta; do break; done", "alpha", "beta"),
    case("case", "case $(alpha >&2) in *) beta;; esac", "alpha", "beta"),
    case("and, or", "alpha && beta || gamma", "alpha", "beta"),
    case("missing command", "nosuchcommand"),
    case("found but not run", "hash alpha; command -v alpha; type alpha; test -x @bin@/alpha"),
)

RUNNERS = (
    case("exec", "exec alpha one; beta", "alpha one"),
    case("exec -a", "exec -a other alpha one", "alpha=other one"),
    case("exec -l", "exec -l alpha one", "alpha=-alpha one"),
    case("exec -a -l", "exec -l -a other alpha one", "alpha=-other one", shells=BASH),
    case("exec -l -a in zsh", "exec -l -a other alpha one", "alpha=other one", shells=ZSH),
    case("exec -c", "exec -c @bin@/alpha one", "@bin@/alpha one"),
    case("exec in a subshell", "( exec alpha one ); beta", "alpha one", "beta"),
    case("exec with redirection", "exec alpha one >@work@/out", "alpha one"),
    case("command", "command alpha one", "alpha one"),
    case("builtin command", "builtin command alpha one", "alpha one", shells=BASH),
    case("dash", ": ; - alpha one", "alpha=-alpha one", shells=ZSH),
    case("ARGV0", "ARGV0=other alpha one", "alpha=other one", shells=ZSH),
    case("time", "time alpha one", "alpha one"),
    case("time -p", "time -p alpha one", "alpha one", shells=BASH),
    case("time of a pipeline", "time alpha | beta", "alpha", "beta"),
    case("coproc", "coproc alpha; wait", "alpha"),
    case("named coproc", "coproc NAME { alpha >&2; }; wait", "alpha", shells=BASH),
    case("coproc with a group", "coproc { alpha >&2; }; wait", "alpha", shells=ZSH),
    case("pipeline", "alpha 1 | beta 2 | gamma 3", "alpha 1", "beta 2", "gamma 3"),
    case("pipeline with stderr", "alpha 1 |& beta 2", "alpha 1", "beta 2"),
    case("lastpipe", "shopt -s lastpipe; : | alpha", "alpha", shells=BASH),
    case("background", "alpha & beta & wait", "alpha", "beta"),
    case("subshell and group", "( alpha ); { beta; }", "alpha", "beta"),
    case("background subshell", "( alpha; beta ) & wait", "alpha", "beta"),
    case("always", "{ false; } always { alpha; }", "alpha", shells=ZSH),
    case("null command", "NULLCMD=alpha; >@work@/out", "alpha", shells=ZSH),
    case("reading null command", "READNULLCMD=alpha; </dev/null", "alpha", shells=ZSH),
    case("multios", "alpha >@work@/one >@work@/two", "alpha", shells=ZSH),
    case("zpty", "zmodload zsh/zpty && zpty z alpha && zpty -r z; zpty -d z", "alpha", shells=ZSH),
    case(
        "history",
        "set -o history; history -s 'alpha one'; history -s :; fc -s alpha",
        "alpha one",
        shells=BASH,
    ),
    case(
        "fc with an editor",
        "set -o history; for i in 1 2 3; do history -s : $i; done; fc -e alpha",
        "alpha=alpha /*",
        shells=BASH,
    ),
    case("completion command", "compgen -C 'alpha one' x", "alpha one compgen x ''", shells=BASH),
    case("completion function", "f() { alpha; }; compgen -F f x", "alpha", shells=BASH),
    case("mapfile", "mapfile -t -c 1 -C alpha a <<<one", "alpha 0 one", shells=BASH),
)

EXPANSIONS = (
    case("command substitution", 'x="$(alpha one >&2)"', "alpha one"),
    case("backticks", "x=`alpha one >&2`", "alpha one"),
    case("nested substitution", "x=$(beta $(alpha >&2; echo one) >&2)", "alpha", "beta one"),
    case("command word", "$(alpha >&2; echo beta) one", "alpha", "beta one"),
    case("in-shell substitution", "x=${ alpha one >&2; }", "alpha one", shells=BASH),
    case("in-shell value", "x=${| alpha one; }", "alpha one", shells=BASH),
    case("in arithmetic", ": $(( $(alpha >&2; echo 1) + 1 ))", "alpha"),
    case("in a subscript", 'a=(1 2); : "${a[$(alpha >&2; echo 1)]}"', "alpha"),
    case("in a default", ": ${unset:-$(alpha >&2)}", "alpha"),
    case("in a redirection", ": >$(alpha >&2; echo /dev/null)", "alpha"),
    case("in a test", "[[ -n $(alpha >&2) ]]", "alpha"),
    case("here-document", "alpha <<E\n$(beta >&2)\nE", "alpha", "beta"),
    case("here-string", 'alpha <<<"$(beta >&2)"', "alpha", "beta"),
    case("process substitution", "read -r x < <(alpha >&2; echo one)", "alpha"),
    case("output substitution", "echo one > >(read x; alpha >&2)", "alpha"),
    case("two substitutions", ": <(alpha >&2) >(beta >&2)", "alpha", "beta"),
    case("file substitution", ": =(alpha one)", "alpha one", shells=ZSH),
    case("trace prompt", "PS4='$(alpha >&2)+ '; set -x; :", "alpha", shells=BASH),
    case("trace prompt in zsh", "setopt prompt_subst; PS4='$(alpha >&2)+ '; set -x; :", "alpha", shells=ZSH),
    case("glob qualifier", "print -r -- @work@/*(e:alpha:)", "alpha", shells=ZSH),
    case("expansion flag", "x='$(alpha >&2)'; : ${(e)x}", "alpha", shells=ZSH),
    case("prompt expansion", "x='${PWD@P}'; : \"${x@P}$(alpha >&2)\"", "alpha", shells=BASH),
)

EVENTS = (
    case("EXIT trap", "trap alpha EXIT; beta", "alpha", "beta"),
    case("EXIT trap of a subshell", "( trap alpha EXIT ); beta", "alpha", "beta"),
    case("USR1 trap", "trap alpha USR1; kill -USR1 $$", "alpha"),
    case("ERR trap", "trap alpha ERR; false; true", "alpha"),
    case("DEBUG trap", "trap alpha DEBUG; :", "alpha"),
    case("RETURN trap", "trap alpha RETURN; . @work@/empty", "alpha", shells=BASH),
    case("TRAPEXIT", "f() { TRAPEXIT() { alpha; }; }; f", "alpha", shells=ZSH),
    case("TRAPUSR1", "TRAPUSR1() { alpha; }; kill -USR1 $$", "alpha", shells=ZSH),
    case("TRAPZERR", "TRAPZERR() { alpha; }; false; true", "alpha", shells=ZSH),
    case("zshexit", "zshexit() { alpha; }; beta; :", "alpha", "beta", shells=ZSH),
    case("chpwd", "chpwd() { alpha; }; cd /", "alpha", shells=ZSH),
    case(
        "command not found", "command_not_found_handle() { alpha $1; }; nosuch", "alpha nosuch", shells=BASH
    ),
    case("handler in zsh", "command_not_found_handler() { alpha $1; }; nosuch", "alpha nosuch", shells=ZSH),
)

ONE_LEVEL = (
    case("env", "env A=1 @bin@/alpha one", "/usr/bin/env=env A=1 @bin@/alpha one"),
    case("env -i", "env -i @bin@/alpha one", "/usr/bin/env=env -i @bin@/alpha one"),
    case("xargs", "echo one two | xargs -n1 alpha", "/usr/bin/xargs=xargs -n1 alpha"),
    case("nohup", "nohup alpha one", "/usr/bin/nohup=nohup alpha one"),
    case("another shell", "/bin/sh -c 'alpha; beta'", "/bin/sh -c 'alpha; beta'"),
)
"""A program that was handed over execs its own children itself: the wrapper sees it, not them."""


@pytest.mark.valgrind
@each((*COMMANDS, *RUNNERS, *EXPANSIONS, *EVENTS, *ONE_LEVEL))
def test_this_way_of_running_commands_reaches_the_wrapper(arena: Arena, row: Case) -> None:
    expected = set(map(arena.call, row.expected))
    missing = [path for path, *_ in expected if path.startswith(b"/usr/bin/") and not os.path.exists(path)]
    if missing:
        pytest.skip(f"this system has no {os.fsdecode(missing[0])}")
    arena.put("lib", "gamma sourced\n")
    arena.put("empty", "")
    result = arena.run(row.script)
    if b"failed to load module" in result.stderr:
        pytest.skip("this build of zsh lacks the module")
    # Bash runs a DEBUG trap and expands a trace prompt as often as it likes.
    assert set(map(_without_random_names, arena.calls())) == expected, result
    assert b"EXEC_WRAPPER" not in result.stderr


def _without_random_names(call: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """A temporary file of the shell's own is `/*` in the table."""
    return tuple(b"/*" if b"/bash-fc" in word else word for word in call)


@each((*COMMANDS, *RUNNERS, *EXPANSIONS, *EVENTS))
def test_no_command_runs_where_the_wrapper_refuses_all(arena: Arena, row: Case) -> None:
    arena.put("lib", "gamma sourced\n")
    arena.put("empty", "")
    result = arena.run(row.script, wrapper="denier")
    assert b"\0" not in result.stdout + result.stderr
    assert not any(
        (arena.work / name).exists() and b"\0" in (arena.work / name).read_bytes()
        for name in ("out", "one", "two")
    )


def test_commands_run_once_each_and_in_order(arena: Arena) -> None:
    arena.run(
        "alpha 1; for i in 2 3; do alpha $i; done; (alpha 4); x=$(alpha 5 >&2); alpha 6 | cat; exec alpha 7"
    )
    calls = [call for call in arena.calls() if call[1] == b"alpha"]
    assert [call[2] for call in calls] == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]


def test_the_default_path_of_command_p_is_reported_in_full(arena: Arena) -> None:
    arena.run("PATH=/nowhere; command -p env -u X sh -c :", env={"EXEC_WRAPPER": arena.wrapper("recorder")})
    (record,) = arena.records()
    assert os.path.basename(record.path) == b"env"
    assert record.path.startswith(b"/")
    assert record.argv == (b"env", b"-u", b"X", b"sh", b"-c", b":")
