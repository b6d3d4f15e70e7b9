"""Clause 4 of the EXEC_WRAPPER contract: with a wrapper that only execs what it is given, nothing is different.

Each script runs in the unpatched shell, in the patched one without a wrapper, and under a pass-through wrapper,
all at the same path. What kinds of files do is in test_contract_formats.py, what terminals show in
test_contract_terminal.py.
"""

import dataclasses
import os
import re
from collections.abc import Iterator

import pytest

from integration.arena import EMULATED, LINUX, PROTECTED, Arena
from integration.bounded import Result
from integration.tables import BASH, ZSH, Case, case, each

pytestmark = [pytest.mark.build, pytest.mark.contract]


def three_ways(arena: Arena, script: str, *args: str, stdin: bytes = b"") -> Iterator[tuple[str, Result]]:
    """Run a script in the unpatched shell, in the patched one, and in that under a wrapper."""
    for name, patched, wrapper in (
        ("unpatched", False, None),
        ("patched", True, None),
        ("wrapped", True, "passthrough"),
    ):
        arena.fresh_work()
        prepare(arena)
        result = arena.run(script, *args, wrapper=wrapper, patched=patched, stdin=stdin)
        # Bash names a process that a signal ended by its number.
        yield (
            name,
            dataclasses.replace(result, stderr=re.sub(rb"(: line \d+: +)\d+ ", rb"\1N ", result.stderr)),
        )


def prepare(arena: Arena) -> None:
    arena.put("script", '#!@shell@\necho "$0" "$#" "$@"\n')
    arena.put("plain", 'echo "$0" "$#" "$@"\n/bin/echo from plain\n')
    arena.put("lost", "#!/nowhere/interpreter\n")
    arena.put("data", "some data\n", 0o644)
    (arena.work / "folder").mkdir()


EXITS = (
    case("status", "sh -c 'exit 3'; echo $?"),
    case("last status", "sh -c 'exit 3'"),
    case("last of a list", "true && sh -c 'exit 3'"),
    case("exec", "exec sh -c 'exit 3'"),
    case("status 255", "sh -c 'exit 255'; echo $?; sh -c 'exit 256'; echo $?"),
    case("SIGTERM", "sh -c 'kill -TERM $$'; echo $?"),
    case("SIGKILL", "sh -c 'kill -KILL $$'; echo $?"),
    case("SIGINT", "sh -c 'kill -INT $$'; echo $?"),
    case("SIGPIPE", "set -o pipefail; yes | head -n1; echo $?"),
    case("SIGSEGV", "(ulimit -c 0; sh -c 'kill -SEGV $$'); echo $?"),
    case("last one by a signal", "sh -c 'kill -TERM $$'"),
    case("pipeline", "sh -c 'exit 3' | sh -c 'exit 4'; echo $? ${PIPESTATUS[@]} ${pipestatus[@]}"),
    case("background", "sh -c 'exit 3' & wait $!; echo $?"),
    case("background by a signal", "sh -c 'kill -TERM $$' & wait $!; echo $?"),
    case("wait for all", "sh -c 'exit 1' & sh -c 'exit 2' & wait; echo $?"),
    case("killed from outside", "sleep 60 & kill $!; wait $!; echo $?"),
    case("killed by a trap", "trap 'echo got it; exit 5' USR1; sh -c 'kill -USR1 $PPID'; sleep 60"),
    case("errexit", "set -e; sh -c 'exit 3'; echo not reached"),
    case("substitution", 'x=$(sh -c "exit 3"); echo $?'),
    case("negation", "! sh -c 'exit 3'; echo $?"),
    case("subshell", "(exec sh -c 'exit 3'); echo $?"),
    case("missing command", "nosuchcommand; echo $?"),
    case("missing last command", "nosuchcommand"),
    case("missing path", "/nowhere/command; echo $?; ./nosuch; echo $?"),
    case("exec of a missing command", "exec nosuchcommand; echo not reached"),
    case("exec of a missing command in a subshell", "(exec nosuchcommand); echo $?"),
    case("execfail", "shopt -s execfail; exec nosuchcommand; exec ./lost; echo $?", shells=BASH),
    case("command of a missing command", "command nosuchcommand; echo $?"),
    case("missing in a pipeline", "nosuch | cat; echo $? ${PIPESTATUS[@]}; cat data | nosuch; echo $?"),
    case("missing in the background", "nosuch & wait $!; echo $?"),
    case("missing coprocess", "coproc nosuch; wait; echo $?"),
    case("folder", "./folder; echo $?; exec ./folder"),
    case("folder along PATH", "PATH=$PWD; folder; echo $?"),
    case("no permission", "./data; echo $?; exec ./data"),
    case("no permission along PATH", "PATH=$PWD; data; echo $?"),
    case("no permission, but further along PATH", "cp data ls; PATH=$PWD:$PATH; ls; echo $?"),
    case("missing interpreter", "./lost; echo $?; exec ./lost"),
    case("missing interpreter along PATH", "PATH=$PWD:$PATH; lost; echo $?"),
    case("missing interpreter, but further along PATH", "cp lost ls; PATH=$PWD:$PATH; ls; echo $?"),
    case("empty PATH", "PATH=; script a; echo $?; ls; echo $?"),
    case("unset PATH", "unset PATH; echo x | cat; echo $?"),
    case("stale hash", "cp /bin/true t; PATH=$PWD:$PATH; t; echo $?; mv t u; t; echo $?"),
    case("handler", "command_not_found_handle() { echo no $1; return 9; }; nosuch a; echo $?", shells=BASH),
    case(
        "handler in zsh",
        "command_not_found_handler() { echo no $1; return 9; }; nosuch a; echo $?",
        shells=ZSH,
    ),
    case("name too long", "x=$(printf %0300d 0); $x; echo $?; ./$x; echo $?"),
    case("path too long", "x=$(printf %05000d 0); $x; echo $?; ./$x; echo $?"),
    case("below a file", "data/x; echo $?; ./data/x; echo $?"),
    case("empty name", "''; echo $?; exec ''; echo $?"),
    case("restricted", "set -r; ls data; ./script; echo $?; exec ls; echo $?", shells=BASH),
    case("error line", "\n\nnosuch\n\n./lost\n"),
)

STATE = (
    case("working directory", "cd /usr; pwd; /bin/pwd; (cd lib; /bin/pwd); /bin/pwd"),
    case("removed working directory", "mkdir x; cd x; rmdir ../x; cat /dev/null; echo $?; ls; echo $?"),
    case("umask", "umask 027; sh -c umask; umask 777; sh -c umask"),
    case("limits", "ulimit -n 64; ulimit -c 0; sh -c 'ulimit -n; ulimit -c; ulimit -f'"),
    case("ignored signals", "trap '' USR1 HUP; grep -E 'Sig(Ign|Blk|Cgt)' /proc/self/status"),
    case("default signals", "trap : USR1 INT; grep -E 'Sig(Ign|Blk|Cgt)' /proc/self/status"),
    case("signals in the background", "grep -E 'Sig(Ign|Blk|Cgt)' /proc/self/status & wait"),
    case("signals in a substitution", 'x="$(grep -E "Sig(Ign|Blk|Cgt)" /proc/self/status)"; echo "$x"'),
    case(
        "inherited ignored signals",
        "trap '' TERM; @shell -c@ 'trap : TERM; kill $$; sh -c \"kill \\$\\$\"; echo $?'",
    ),
    case("descriptors", "ls /proc/self/fd"),
    case(
        "more descriptors", "exec 3<data 4>out 7<&0; ls /proc/self/fd; cat <&3; exec 3<&-; ls /proc/self/fd"
    ),
    case("descriptors in a pipeline", "ls /proc/self/fd | cat; cat data | ls /proc/self/fd"),
    case("descriptors in the background", "ls /proc/self/fd & wait"),
    case("descriptors of a group", "{ ls /proc/self/fd; } 5<data"),
    case("descriptors in a function", "f() { ls /proc/self/fd; }; f 5<data; f"),
    case("descriptors in a substitution", 'x=$(ls /proc/self/fd); echo "$x"'),
    case("descriptors of exec", "exec ls /proc/self/fd 5<data"),
    case("descriptor by variable", "exec {fd}<data; ls /proc/self/fd; cat <&$fd"),
    case("descriptors of a script", "./script; @shell@ ./script"),
    case("process substitution", "cat <(echo a) <(echo b); ls /proc/self/fd 3< <(:)"),
    case("names of substitutions", "echo <(:) >(:); printf '%s\\n' <(:)"),
    case(
        "output substitution", "echo x > >(cat >out); while ! grep -q x out; do :; done 2>/dev/null; cat out"
    ),
    case(
        "process group",
        "read -r a b c d e f </proc/$$/stat; cut -d' ' -f5 /proc/self/stat >g; [[ $(<g) = $e ]] && echo same",
    ),
    case("parent", "sh -c 'echo $PPID' >a; echo $$ >b; cmp a b && echo same"),
    case("process of exec", "echo $$ >a; exec sh -c 'echo $$ >b; cmp a b && echo same'"),
    case("background process", "sh -c 'echo $$ >a' & echo $! >b; wait; cmp a b && echo same"),
    case(
        "children of the command",
        'sleep 60 & exec sh -c "cat /proc/\\$\\$/task/\\$\\$/children >c; kill $!; wc -w <c"',
    ),
    case("name of the process", "cat /proc/self/comm /proc/self/cmdline; exec -a x cat /proc/self/cmdline"),
    case("standard input", "cat"),
    case("shared standard input", "read x; echo \"x=$x\"; sh -c 'read y; echo y=$y'; cat"),
    case("input of the background", "cat & wait"),
    case("closed input", "cat <&-; echo $?"),
    case("closed output", "echo x >&-; /bin/echo x >&-; echo $?"),
    case("output order", "exec 2>&1; echo 1; /bin/echo 2; echo 3 >&2; /bin/echo 4 >&2; echo 5"),
    case("times", "times >/dev/null; time -p true >/dev/null 2>&1; echo $?", shells=BASH),
    case(
        "coprocess",
        "coproc cat; echo x >&${COPROC[1]}; read y <&${COPROC[0]}; echo $y; eval exec ${COPROC[1]}'>&-'; wait",
        shells=BASH,
    ),
    case("coprocess in zsh", "coproc cat; echo x >&p; read y <&p; echo $y", shells=ZSH),
    case("trace", "set -x; ls data; ./script a; nosuch; ./lost"),
    # Not `wait` alone: whether the job is still listed after that depends on which of the two came first.
    case("job table", "sleep 60 & jobs; kill %1; wait %1; jobs", shells=BASH),
    case("disowned", "sleep 0.01 & disown; wait; jobs; echo $?"),
)

NAMES = (
    case("argv[0]", "alpha; @bin@/alpha; cd @bin@; ./alpha; exec -a x alpha"),
    case("$0 of a script", "./script a b; @work@/script; PATH=$PWD:$PATH; script 'a b' ''"),
    case("$0 with exec", "exec -a other ./script a"),
    case("$0 of sh", "sh -c 'echo $0'; exec -a other sh -c 'echo $0'"),
    case("$_ in a child", "sh -c 'echo $_'; env | grep '^_='; /usr/bin/env | grep '^_='"),
    case("$_ in a script", "echo 'echo \"$_\"' >s; chmod +x s; ./s a; echo $_"),
    case("$_ after a command", "ls data; echo $_; ./script a b; echo $_; nosuch x y; echo $_"),
    case("$_ along PATH", "PATH=$PWD:$PATH; script a; echo $_; cd /; env | grep '^_='"),
    case(
        "$_ with a relative path",
        "mkdir b; cp /usr/bin/env b; cd b; ./env | grep '^_='; PATH=. env | grep '^_='",
    ),
    case(
        "SHLVL", "echo $SHLVL; sh -c 'echo $SHLVL'; @shell -c@ 'echo $SHLVL'; exec @shell -c@ 'echo $SHLVL'"
    ),
    case("hash table", "ls data; hash", shells=BASH),
    case("names of the shell", "echo $0 $BASH $ZSH_NAME; @shell -c@ 'echo $0 $BASH $ZSH_NAME'"),
    case("nested script", "echo './script in' >s; chmod +x s; ./s; sh ./s"),
    case("script without #!", "./plain a 'b c'; echo $?; PATH=$PWD:$PATH; plain x; exec plain y"),
    case("dash names", "cp script -x; PATH=$PWD; -x a; echo $?"),
)

ENVIRONMENTS = (
    case("as it is", "env -0"),
    case("exported", "export A=1 B='x\ny'; C=2; env -0"),
    case("for one command", "A=1 env -0; echo ${A-unset}; A=1 B=2 sh -c 'echo $A $B'"),
    case("unset", "unset HOME; env -0"),
    case("removed from export", "export A=1; typeset +x A; env -0"),
    case("in a subshell", "(export A=1; env -0); env -0"),
    case("in a function", "f() { local -x A=1; env -0; }; f; env -0"),
    case("exec", "A=1 exec env -0"),
    case("exec -c", "exec -c /usr/bin/env -0"),
    case("exec -l", "exec -l /usr/bin/env -0"),
    case("exported function", "f() { /bin/echo in f; }; export -f f; env -0; @shell -c@ f", shells=BASH),
    case("changed PATH", "PATH=$PATH:/nowhere; env -0; PATH=/usr/bin env -0"),
    case("nested shell", "export A=1; @shell -c@ 'env -0'"),
    case("script without #!", "export A=1; echo /usr/bin/env -0 >s; chmod +x s; B=2 ./s"),
)


@each((*EXITS, *STATE, *NAMES))
def test_output_and_status_are_those_of_the_unpatched_shell(arena: Arena, row: Case) -> None:
    results = dict(three_ways(arena, row.script, stdin=b"line 1\nline 2\nline 3\n"))
    assert results["patched"] == results["unpatched"]
    assert results["wrapped"] == results["unpatched"]


@each(ENVIRONMENTS)
def test_the_environment_is_that_of_the_unpatched_shell(arena: Arena, row: Case) -> None:
    # All start with the variable, so that a shell's hash tables put the others out in the same order.
    arena.start_env["EXEC_WRAPPER"] = arena.wrapper("passthrough")
    arena.start_env["Z"] = "last"
    unpatched = arena.run(row.script, patched=False)
    arena.fresh_work()
    wrapped = arena.run(row.script)
    plain, found = unpatched.stdout.split(b"\0"), wrapped.stdout.split(b"\0")
    if "exec -c" in row.script:
        plain, found = (
            [entry for entry in entries if entry.partition(b"=")[0] not in PROTECTED]
            for entries in (plain, found)
        )
    assert found == plain
    assert (wrapped.status, wrapped.stderr) == (unpatched.status, unpatched.stderr)


def test_signals_ignored_at_start_up_stay_ignored(arena: Arena) -> None:
    starter = f"trap '' USR1 HUP; exec {arena.path} -c 'grep SigIgn /proc/self/status'"
    results = dict(three_ways(arena, f'exec /bin/sh -c "{starter}"'))
    assert results["wrapped"] == results["patched"] == results["unpatched"]
    if EMULATED:
        pytest.skip("as in the unpatched shell; but at an exec qemu-user forgets which signals are ignored")
    if not LINUX:
        pytest.skip("as in the unpatched shell; but what a process ignores is told by /proc alone")
    assert int(results["wrapped"].stdout.split()[-1], 16) & 0x201 == 0x201


@pytest.mark.parametrize(
    "script", ["sh -c 'echo $PPID'", "exec sh -c 'echo $PPID'", "(sh -c 'echo $PPID'); :"]
)
def test_a_command_takes_the_place_of_the_shell_where_it_did(arena: Arena, script: str) -> None:
    # With one command to run, a shell execs it without a fork: its parent is then this process.
    parents = {name: int(result.stdout) == os.getpid() for name, result in three_ways(arena, script)}
    assert len(set(parents.values())) == 1, parents


def test_locale_and_messages_are_the_shells(arena: Arena) -> None:
    arena.start_env["LC_ALL"] = os.fsencode("C.UTF-8")
    results = dict(three_ways(arena, "./nosuch-\u00e9; ./lost; /bin/echo \u00e9"))
    assert results["wrapped"] == results["patched"] == results["unpatched"]
