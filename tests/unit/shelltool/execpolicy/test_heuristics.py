import shlex
import time

import pytest

from shelltool.execpolicy.heuristics import danger_in

DANGEROUS = [
    "rm -f x",
    "rm -rf x",
    "rm -fr x",
    "rm -r -f x",
    "rm x -f",
    "rm --force x",
    "rm --fo x",
    "/bin/rm -f x",
    "git reset",
    "git reset --hard HEAD~1",
    "git -C dir -c a=b --git-dir d -p --no-pager reset",
    "git rm x",
    "git branch -d x",
    "git branch -D x",
    "git branch -Dfoo",
    "git branch -fD x",
    "git branch --delete x",
    "git push -f",
    "git push --force origin",
    "git push --force-with-lease=main",
    "git push origin +main",
    "git push origin :main",
    "git push -d origin main",
    "git push --delete origin main",
    "git clean -f",
    "git clean -xfd",
    "git clean --force",
    "sudo rm -f x",
    "sudo -u root rm -f x",
    "env A=1 rm -f x",
    "timeout 5 nice -n 3 rm -f x",
    "xargs -0 rm -rf",
    "find . -exec rm -f {} +",
    "busybox rm -f x",
    "sh -c 'rm -f x'",
    "bash -lc 'cd a && rm -rf b'",
    "zsh -c 'rm -f x'",
    "dash -xc 'rm -f x'",
    "bash -o pipefail -c 'rm -f x'",
    "bash -c -x 'rm -f x'",
    "sh -c 'rm -f x >log'",
    "sh -c \"sh -c 'rm -f x'\"",
    "sudo sh -c 'git push --force'",
    "sh -c 'eval rm -f x'",
    "sh -c 'trap \"rm -f x\" EXIT'",
    "su -c 'rm -f x'",
]
HARMLESS = [
    "",
    "ls",
    "rm x",
    "rm -r x",
    "rm -- -f",
    "rm --foo x",
    "git",
    "git status",
    "git -C reset status",
    "git push",
    "git push --mirror",
    "git push --prune",
    "git push origin main",
    "git branch --sort=-committerdate",
    "git branch -m old new",
    "git clean -n",
    "git checkout .",
    "git stash drop",
    "git rebase main",
    "find . -delete",
    "dd if=a of=b",
    "chmod -R 777 x",
    "echo rm -f x",
    "sh script.sh -f",
    "sh -c 'echo rm -f x'",
    "bash --rcfile rm",
    "env rm=1 ls -f",
]


@pytest.mark.parametrize("command", DANGEROUS)
def test_commands_that_lose_work_are_seen(command):
    assert danger_in(shlex.split(command))


@pytest.mark.parametrize("command", HARMLESS)
def test_other_commands_are_not(command):
    assert danger_in(shlex.split(command)) is None


def test_a_command_too_involved_to_judge_is_not_called_harmless():
    script = "ls"
    for _ in range(12):
        script = shlex.join(["sudo", "sh", "-c", script])
    assert danger_in(shlex.split(script)) == "the command is nested too deeply to be judged"


def nested(width, depth):
    """Give a command with `width` scripts in it, each of which has as many, and so on."""
    if depth == 0:
        return "ls"
    return "env " + " ".join([shlex.join(["sh", "-c", nested(width, depth - 1)])] * width)


@pytest.mark.parametrize(
    "command", [nested(32, 2), nested(16, 3), shlex.join(["sh", "-c", *["ls"] * 500_000])]
)
def test_what_multiplies_when_it_is_read_is_asked_about_in_bounded_time(command):
    words = shlex.split(command)
    started = time.process_time()
    assert danger_in(words) == "the command is nested too deeply to be judged"
    assert time.process_time() - started < 5


def test_as_many_file_names_as_find_passes_to_a_script_are_no_reason_to_ask():
    assert danger_in(["sh", "-c", 'cat "$@"', "sh", *[f"./{number:07}" for number in range(13_000)]]) is None


def test_a_very_long_command_line_is_judged_quickly():
    started = time.process_time()
    assert danger_in(["xargs", *["rm"] * 100_000])
    assert danger_in(["xargs", *["ls"] * 100_000]) is None
    assert time.process_time() - started < 5
