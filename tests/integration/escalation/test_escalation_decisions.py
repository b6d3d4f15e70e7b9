"""What is judged and what a decision does: through real patched shells."""

import asyncio
import os
from pathlib import Path

import pytest

from integration.escalation.world import ByName, Waiting
from shelltool.errors import LaunchError
from shelltool.escalation import Call, Escalate, ExecRequest, Run, Sandbox, ShellCommandExecutor


def test_every_exec_of_a_call_is_judged_by_its_real_path_and_argv(shelled):
    script = 'alias x=y; f() { command ls "$@"; }; f / >/dev/null; echo $(/bin/true a); (false; true) | cat; exec printf b'
    done = shelled.run(script)
    judged = {(j.request.program, *j.request.argv) for j in done.result.judged}
    assert ("/usr/bin/ls", "ls", "/") in judged
    assert ("/bin/true", "/bin/true", "a") in judged
    assert ("/usr/bin/cat", "cat") in judged
    assert done.stdout.startswith(b"\n")
    assert done.result.judged_count == len(done.result.judged)


def test_a_denied_command_says_why_and_the_script_goes_on(shelled):
    policy = ByName(denied={"id": "no names", "uname": None})
    done = shelled.run("id; echo $?; uname; echo $?; (true; id) || echo last $?", policy=policy)
    assert done.output == (
        b"Execution denied: no names\n1\nExecution denied\n1\nExecution denied: no names\nlast 1\n"
    )


TRICKS = [
    "unset EXEC_WRAPPER BASH_EXEC_WRAPPER; id",
    "EXEC_WRAPPER= BASH_EXEC_WRAPPER= id",
    "unset CODEX_ESCALATE_SOCKET; id",
    "CODEX_ESCALATE_SOCKET=0 id",
    "exec -c id",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_script_can_not_switch_the_judging_off(shelled, trick):
    done = shelled.run(trick, policy=ByName(denied={"id": "no"}))
    assert (done.result.exit_code, done.output) == (1, b"Execution denied: no\n")


@pytest.mark.parametrize("trick", ["exec 172>&-", "exec 172</dev/null"])
def test_a_script_that_takes_the_socket_away_gets_no_command_at_all(world, trick):
    done = world.run(f"{trick}; id; echo $?", policy=ByName(denied={"id": "no"}))
    assert done.stdout == b"126\n"
    assert b"CODEX_ESCALATE_SOCKET" in done.stderr


def test_a_command_runs_in_the_folder_that_was_asked_about_whatever_has_its_name_by_then(world):
    async def decide(request):
        if request.argv[0] == "ls":
            (world.root / "asked").rename(world.root / "aside")
            (world.root / "asked").mkdir()
            world.put("asked/swapped", "")
        return Escalate(even_if_writable=True)

    done = world.run("mkdir asked; cd asked; : >real; ls", policy=Waiting(decide))
    assert done.stdout == b"real\n"


@pytest.mark.parametrize("trick", TRICKS)
def test_a_script_that_tampers_still_gets_its_commands_judged_and_run(shelled, trick):
    done = shelled.run(trick)
    assert done.stdout.startswith(b"uid=")
    assert done.names == ["id"]


def test_exec_c_runs_judged_and_with_next_to_no_environment(shelled):
    done = shelled.run("A=1; export A; exec -c /usr/bin/env")
    assert done.names == ["env"]
    names = {line.partition(b"=")[0] for line in done.stdout.splitlines()}
    assert names <= {b"EXEC_WRAPPER", b"BASH_EXEC_WRAPPER", b"CODEX_ESCALATE_SOCKET", b"_"}


def test_exec_c_leaves_an_escalated_command_no_environment_at_all(shelled):
    done = shelled.run("A=1; export A; exec -c /usr/bin/env", policy=ByName(escalated=["env"]))
    assert done.stdout.replace(b"_=/usr/bin/env\n", b"") == b""
    assert done.outcomes == [Escalate(even_if_writable=True)]


def test_a_relative_program_is_judged_below_its_callers_directory(world):
    world.put("deep/prog", "#!/bin/sh\necho ran $0\n")
    os.symlink(world.root / "deep", world.root / "link")
    done = world.run("cd deep; ./prog; ../deep/prog; cd ..; link/../deep/prog; deep/./prog")
    assert [judged.request.program for judged in done.result.judged] == [f"{world.root}/deep/prog"] * 4
    assert done.stdout.count(b"ran") == 4


def test_a_parent_reference_after_a_link_means_what_the_kernel_means(world):
    """Taking `link/..` out of the text would name /usr/bin/id; what would run is a file of the sandboxed side."""
    world.put("a/b/empty", "")
    world.put("a/usr/bin/id", "#!/bin/sh\necho fake\n")
    os.symlink(world.root / "a/b", world.root / "link")
    up = "/".join([".."] * 20)
    request = world.run(
        f"{world.root}/link/../usr/bin/id; {world.root}/link/{up}/usr/bin/id -u"
    ).result.judged
    assert [judged.request.program for judged in request] == [
        f"{world.root}/a/usr/bin/id",
        "/usr/bin/id",
    ]


def test_a_policy_may_take_its_time_while_other_execs_go_on(world):
    asked = asyncio.Event()

    async def decide(request: ExecRequest):
        if request.argv[0] == "id":
            await asked.wait()
        else:
            asked.set()
        return Run()

    done = world.run("id >/dev/null & uname >/dev/null; wait; echo done", policy=Waiting(decide))
    assert done.stdout == b"done\n"
    assert sorted(done.names) == ["id", "uname"]


def test_a_policy_that_fails_denies(shelled):
    async def decide(request: ExecRequest):
        raise ValueError("confused")

    done = shelled.run("id; echo $?", policy=Waiting(decide))
    assert done.output == b"Execution denied: the policy could not decide: ValueError: confused\n1\n"


def test_an_immediate_policy_that_fails_denies(world):
    class Broken:
        def decide_now(self, _request):
            raise ValueError("confused")

        async def decide(self, _request):
            return Run()

    assert b"could not decide: ValueError" in world.run("id", policy=Broken()).stderr


def test_what_is_no_decision_denies(world):
    async def decide(request: ExecRequest):
        return True

    assert world.run("id", policy=Waiting(decide)).stderr.startswith(
        b"Execution denied: the policy gave bool"
    )


def test_a_reason_of_any_length_and_content_arrives_as_one_answer(world):
    policy = ByName(denied={"id": "x" * 100_000 + "\udc80"})
    assert world.run("id", policy=policy).stderr == b"Execution denied: " + b"x" * 4096 + b"\n"


def test_each_call_gets_a_policy_of_its_own(world):
    calls: list[Call] = []

    def make(call: Call) -> ByName:
        calls.append(call)
        return ByName()

    async def two() -> None:
        executor = ShellCommandExecutor(wrapper=world.wrapper, policies=make, keeper=world.keeper)
        for _ in range(2):
            await executor.run(world.command(":", timeout_s=9.0, env=world.own), on_output=lambda _: None)

    asyncio.run(two())
    assert [(call.workdir, call.stopwatch.limit_s) for call in calls] == [(world.root, 9.0)] * 2
    assert calls[0].stopwatch is not calls[1].stopwatch


def test_a_shell_that_does_not_exist_is_reported_as_such(world):
    world.shell = Path("/no/such/shell")
    with pytest.raises(LaunchError, match=r"/no/such/shell: can't be executed: No such file or directory"):
        world.run(":")


def test_a_sandbox_that_does_not_exist_is_reported_as_such(world):
    with pytest.raises(LaunchError, match=r"^/no/sandbox: can't be executed"):
        world.run(":", sandbox=Sandbox(prefix=("/no/sandbox", "--")))


@pytest.mark.parametrize("workdir", ["missing", "file"])
def test_a_working_directory_that_is_none_is_reported_as_such(world, workdir):
    world.put("file", "")
    with pytest.raises(LaunchError, match="can't be the working directory"):
        world.run(":", workdir=world.root / workdir)


def test_the_sandbox_prefix_comes_before_the_shell(world):
    done = world.run('echo "$A"', sandbox=Sandbox(prefix=("/usr/bin/env", "A=prefixed")))
    assert done.stdout == b"prefixed\n"
