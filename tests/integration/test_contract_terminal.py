"""Clauses 2 and 4 of the EXEC_WRAPPER contract on a terminal: prompts, completion, line editing, job control."""

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from integration.arena import LINUX, Arena
from integration.tables import BASH, ZSH
from integration.terminal import PROMPT, Terminal, terminal

pytestmark = [
    pytest.mark.build,
    pytest.mark.contract,
    # From 3.12 on, Python warns of forkpty in a process with threads; pytest-xdist's workers have some.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@dataclass(frozen=True, slots=True)
class Habit:
    """What a start-up file sets up, what is typed then, and the exec that this leads to."""

    name: str
    shells: tuple[str, ...]
    startup: str
    keys: str = ":\r"
    expected: str = "alpha"


STTY = shutil.which("stty", path="/usr/bin:/bin") or "/usr/bin/stty"
HABITS = (
    Habit("typed command", (*BASH, *ZSH), "", "alpha one\r", "alpha one"),
    Habit("typed after a slip", (*BASH, *ZSH), "", "alpha onf\x7fe\r", "alpha one"),
    Habit("unset at the prompt", (*BASH, *ZSH), "", "unset EXEC_WRAPPER\ralpha\r"),
    Habit("PS1", BASH, "PS1='$(alpha >/dev/null)'$PS1"),
    Habit("PS0", BASH, "PS0='$(alpha >/dev/null)'"),
    Habit("PS2", BASH, "PS2='$(alpha >/dev/null)'", ": \\\r\r"),
    Habit("PROMPT_COMMAND", BASH, "PROMPT_COMMAND='alpha >/dev/null'"),
    Habit("PROMPT_COMMAND array", BASH, "PROMPT_COMMAND=(: 'alpha >/dev/null')"),
    Habit(
        "completion function",
        BASH,
        "f() { COMPREPLY=($(alpha >&2; echo done)); }; complete -F f x",
        ": x\x15x \t\x15:\r",
    ),
    Habit("completion command", BASH, "complete -C 'alpha >&2; echo' x", "x \t\x15:\r", "alpha"),
    Habit("completion of commands", BASH, "", "alph\t one\r", "alpha one"),
    Habit("key binding", BASH, "bind -x '\"\\C-t\": alpha'", "\x14"),
    Habit("editing a command", BASH, "export EDITOR=alpha; set -o history", "\x18\x05\r", "alpha=alpha /*"),
    Habit("substitution while editing", BASH, "", "$(alpha >&2)\x1b\x05\x15:\r"),
    Habit("handler", BASH, "command_not_found_handle() { alpha; }", "nosuch\r"),
    Habit("EXIT trap", (*BASH, *ZSH), "trap alpha EXIT"),
    Habit("prompt", ZSH, "setopt prompt_subst; PS1='$(alpha >&2)'$PS1"),
    Habit("right prompt", ZSH, "setopt prompt_subst; RPS1='$(alpha >/dev/null)'"),
    Habit("precmd", ZSH, "precmd() { alpha }"),
    Habit("precmd_functions", ZSH, "f() { alpha }; precmd_functions=(f)"),
    Habit("preexec", ZSH, "preexec() { alpha }"),
    Habit("periodic", ZSH, "PERIOD=1; periodic() { alpha }"),
    Habit("sched", ZSH, "zmodload zsh/sched; sched +0 alpha", "\r\r:\r"),
    Habit("zshexit", ZSH, "zshexit() { alpha }"),
    Habit("widget", ZSH, "w() { alpha }; zle -N w; bindkey '^T' w", "\x14:\r"),
    Habit("start of a line", ZSH, "zle-line-init() { alpha }; zle -N zle-line-init"),
    Habit("completion", ZSH, "f() { reply=($(alpha >&2; echo done)) }; compctl -K f x", "x \t\x15:\r"),
    Habit("completion of commands", ZSH, "", "alph\t one\r", "alpha one"),
    Habit("expansion while editing", ZSH, "", ": `alpha >&2`\x18*\x15:\r"),
    Habit("STTY", ZSH, "", "STTY=sane beta\r", f"{STTY}=stty sane"),
    Habit("handler", ZSH, "command_not_found_handler() { alpha }", "nosuch\r"),
)


@pytest.mark.parametrize(
    ("shell", "habit"),
    [pytest.param(shell, habit, id=f"{shell}-{habit.name}") for habit in HABITS for shell in habit.shells],
    indirect=["shell"],
)
def test_what_an_interactive_shell_runs_is_intercepted(arena: Arena, habit: Habit) -> None:
    with terminal(arena, habit.startup) as session:
        session.keys(habit.keys)
        session.line(":")
        session.leave()
    calls = {tuple(b"/*" if b"/bash-fc" in word else word for word in call) for call in arena.calls()}
    assert arena.call(habit.expected) in calls


WAYS = {"unpatched": (None, False), "patched": (None, True), "wrapped": ("passthrough", True)}


@pytest.fixture(params=WAYS)
def session(request: pytest.FixtureRequest, arena: Arena) -> Iterator[Terminal]:
    """An interactive shell, of each kind that has to behave alike."""
    wrapper, patched = WAYS[request.param]
    with terminal(arena, wrapper=wrapper, patched=patched) as opened:
        yield opened


SLEEP = "sh -c 'echo \"up and\" running; exec sleep 60'"


def test_a_job_can_be_stopped_continued_and_interrupted(session: Terminal) -> None:
    session.start(SLEEP)
    session.keys("\x1a")
    session.wait_for(PROMPT)
    assert session.status() in {128 + signal.SIGSTOP, 128 + signal.SIGTSTP}
    assert "topped" in (shown := session.line("jobs")) or "suspended" in shown
    assert "sh -c" in session.line("bg")
    assert "unning" in session.line("jobs")
    session.keys("fg\r")
    session.wait_for("exec sleep 60")
    session.keys_until_prompt("\x03")  # bash prints that before it gives the terminal away
    assert session.status() == 130
    assert "sh -c" not in session.line("jobs")


@pytest.mark.parametrize(("key", "status"), [("\x03", 130), ("\x1c", 131)])
@pytest.mark.parametrize(
    "command", [SLEEP, f"{SLEEP} | cat", f"({SLEEP})", f"command {SLEEP}", f"time {SLEEP}"]
)
def test_keys_that_end_a_job_leave_the_shell(session: Terminal, key: str, status: int, command: str) -> None:
    session.line("ulimit -c 0")
    session.start(command)
    # A busybox `sh` ignores SIGQUIT until it has become `sleep`, which may be after its word that it is up.
    session.keys_until_prompt(key)
    assert session.status() == status


GROUPS = (
    'sh -c \'cut -d" " -f5,8 /proc/self/stat | sed "s/.*/<&>/"\''
    if LINUX
    else "sh -c 'set -- $(ps -o pgid= -o tpgid= -p $$); echo \"<$1 $2>\"'"
)
"""Shows a process's own group and its terminal's foreground group."""


def groups(shown: str) -> tuple[str, ...]:
    found = re.search(r"<(\d+) (\d+)>", shown)
    assert found
    return found.groups()


def test_a_job_is_the_terminals_foreground_group(session: Terminal) -> None:
    own, foreground = groups(session.line(GROUPS))
    assert own == foreground


def test_a_background_job_is_not(session: Terminal) -> None:
    own, foreground = groups(session.line(f"{GROUPS} & wait"))
    assert own != foreground


def test_a_background_job_that_reads_the_terminal_is_stopped(session: Terminal) -> None:
    session.keys("cat &\r")
    session.keys("wait %1; jobs\r")
    session.wait_for(r"tty input|Stopped")
    session.line("")
    session.keys("fg\r")
    session.wait_for("cat\r\n")
    session.keys("typed\r")
    session.wait_for("typed\r\ntyped\r\n")
    session.keys("\x04")
    session.wait_for(PROMPT)
    assert session.status() == 0


def test_a_killed_job_is_told_of(session: Terminal) -> None:
    session.line("sleep 60 &")
    assert "erminated" in session.line("kill %1; wait %1")
    session.line("sh -c 'exit 3' &")
    session.keys("wait %1\r")
    session.wait_for(PROMPT)


def test_a_program_reads_keys_from_the_terminal(session: Terminal) -> None:
    session.start('sh -c \'echo "up and" running; read x; echo "<$x>"\'')
    session.keys("typed\r")
    session.wait_for("<typed>")


def test_a_program_sees_the_terminals_size(session: Terminal) -> None:
    assert "24 240" in session.line("stty size")
    session.child.setwinsize(33, 99)
    assert "33 99" in session.line("stty size")


def test_terminal_modes_come_back_after_a_program_was_killed(session: Terminal) -> None:
    session.start("sh -c 'stty -echo; echo \"up and\" running; kill -KILL $$'")
    session.wait_for(PROMPT)
    assert " echo " in session.line("stty -a")
