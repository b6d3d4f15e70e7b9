"""Commands that are worth a question although no rule speaks of them: forced deletion and rewriting of history.

A hint about intent, not a boundary: a command that is not recognised runs in the sandbox, and so does one that
is recognised and accepted. What is looked through, and what not, is listed in `docs/execpolicy.md`.
"""

from collections.abc import Callable, Iterable, Sequence

from shelltool.execpolicy.programs import basename
from shelltool.execpolicy.script import simple_commands

_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ash", "ksh", "mksh", "yash", "su", "script", "flock"})
# Programs and builtins whose arguments hold, somewhere, another command line.
_CARRIERS = frozenset(
    {
        "sudo",
        "doas",
        "env",
        "nice",
        "ionice",
        "nohup",
        "setsid",
        "stdbuf",
        "timeout",
        "time",
        "xargs",
        "parallel",
    }
    | {"find", "chroot", "unshare", "nsenter", "busybox", "toybox", "command", "builtin", "exec", "noglob"}
    | {"nocorrect", "strace", "ltrace", "watch"}
)
_EVALUATORS = frozenset({"eval", "trap"})
_GIT_OPTIONS_WITH_VALUE = frozenset(
    {"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--super-prefix", "--config-env"}
)
# Nested command lines and candidates in one command line beyond which nobody writes by hand.
_DEEPEST = 8
_MOST_CANDIDATES = 64
# What the two multiply to: characters of scripts and words of commands, all in all. It is twice the largest argument
# that Linux passes, and takes some tenths of a second.
_MOST_READ = 1 << 18
_READ_FOR_A_SCRIPT = 8  # however short it is
_TOO_INVOLVED = "the command is nested too deeply to be judged"


def danger_in(command: Sequence[str]) -> str | None:
    """Return why a command deserves a question, or None."""
    return _Judgement().judge(command, 0) if command and basename(command[0]) in _NOTABLE else None


class _Judgement:
    """One command and all that is nested in it, as far as it is read."""

    def __init__(self) -> None:
        self._left = _MOST_READ

    def judge(self, command: Sequence[str], depth: int) -> str | None:
        """Say why a command deserves a question, or that there is too much of it."""
        self._left -= len(command)
        if depth > _DEEPEST or self._left < 0:
            return _TOO_INVOLVED
        name, arguments = basename(command[0]), command[1:]
        if name in _PROGRAMS:
            return _PROGRAMS[name](arguments)
        if name in _CARRIERS:
            return self._judge_carried(arguments, depth)
        return self._judge_scripts(_scripts_in(name, arguments), depth)

    def _judge_carried(self, arguments: Sequence[str], depth: int) -> str | None:
        """Look at every place where another command could begin, whatever the carrier's own options are."""
        candidates = [index for index, word in enumerate(arguments) if basename(word) in _INTERESTING]
        if len(candidates) > _MOST_CANDIDATES:
            return _TOO_INVOLVED
        return _first(self.judge(arguments[index:], depth + 1) for index in candidates)

    def _judge_scripts(self, scripts: Iterable[str], depth: int) -> str | None:
        for script in scripts:
            self._left -= len(script) + _READ_FOR_A_SCRIPT
            if self._left < 0:
                return _TOO_INVOLVED
            if reason := _first(self.judge(command, depth + 1) for command in simple_commands(script)):
                return reason
        return None


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)


def _scripts_in(name: str, arguments: Sequence[str]) -> Sequence[str]:
    """Return the arguments that are scripts; for a shell, anything after a cluster of options with a `c` in it."""
    if name in _EVALUATORS:
        return [" ".join(arguments), *arguments[:1]]
    if name not in _SHELLS:
        return ()
    for index, word in enumerate(arguments):
        if word.startswith(("-", "+")) and (
            "c" in word if not word.startswith("--") else word == "--command"
        ):
            return arguments[index + 1 :]
    return ()


def _judge_rm(arguments: Sequence[str]) -> str | None:
    return "rm deletes without asking" if _has_option(arguments, "f", "--force") else None


def _judge_git(arguments: Sequence[str]) -> str | None:
    words = iter(arguments)
    for word in words:
        if word in _GIT_OPTIONS_WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            judge = _GIT.get(word)
            return f"git {word} can lose work" if judge is not None and judge(list(words)) else None
    return None


def _is_destructive_push(arguments: Sequence[str]) -> bool:
    return (
        _has_option(arguments, "fd", "--force", "--delete")
        or any(word.startswith(("--force-with-lease", "--force-if-includes")) for word in arguments)
        or any(word.startswith(("+", ":")) and len(word) > 1 for word in arguments)
    )


def _has_option(arguments: Sequence[str], letters: str, *names: str) -> bool:
    """Whether an option before `--` is one of these, in a cluster or abbreviated as getopt allows."""
    for word in arguments:
        if word == "--":
            return False
        if word.startswith("--"):
            if any(name.startswith(word) for name in names):
                return True
        elif word.startswith("-") and any(letter in word for letter in letters):
            return True
    return False


def _always(_arguments: Sequence[str]) -> bool:
    return True


_GIT: dict[str, Callable[[Sequence[str]], bool]] = {
    "reset": _always,
    "rm": _always,
    "branch": lambda arguments: _has_option(arguments, "dD", "--delete"),
    "push": _is_destructive_push,
    "clean": lambda arguments: _has_option(arguments, "f", "--force"),
}
_PROGRAMS: dict[str, Callable[[Sequence[str]], str | None]] = {"rm": _judge_rm, "git": _judge_git}
_INTERESTING = frozenset(_PROGRAMS) | _SHELLS | _EVALUATORS
_NOTABLE = _INTERESTING | _CARRIERS
