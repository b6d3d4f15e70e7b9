"""A person is asked, knows what accepting means, and is obeyed."""

import asyncio
import shutil

import pytest

from integration.mcp_server.world import Person, refusing

pytestmark = pytest.mark.build

GIT = shutil.which("git", path="/usr/bin:/bin")
INIT = f"{GIT} init --quiet ."
PROMPT = f'prefix_rule(["{GIT}", "init"], "prompt", justification="a repository is for ever")\n'


@pytest.fixture(autouse=True)
def needs_git():
    if GIT is None:
        pytest.skip("git is not installed")


@pytest.fixture(params=[None, "danger-full-access"], ids=["sandboxed", "unconfined"])
def state(request):
    """Without a word from the client, and with full access."""
    return request.param


def test_accepting_a_rules_question_runs_the_command_outside(each_shell, state):
    each_shell.rules(PROMPT)
    person = Person()
    result = each_shell.shell(f"{INIT}; echo $?", person=person, state=state)
    assert result["stdout"] == "0\n"
    assert (each_shell.work / ".git" / "HEAD").is_file()
    [question] = person.asked
    assert question.startswith(f"Allow agent to run `{INIT}` in `{each_shell.work}`?")
    assert ("OUTSIDE the sandbox" if state is None else "There is no sandbox") in question
    assert "a repository is for ever" in question
    assert result["judged"][0]["outside_sandbox"]


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (refusing("decline"), "User declined execution"),
        (refusing("decline", "not in this folder"), "User declined execution: not in this folder"),
        (refusing("cancel"), "User cancelled execution"),
    ],
    ids=["decline", "decline with a reason", "cancel"],
)
def test_declining_and_cancelling_deny_and_say_so(each_shell, state, person, said):
    each_shell.rules(PROMPT)
    person.asked.clear()
    result = each_shell.shell(f"{INIT}; echo $?", person=person, state=state)
    assert result["stdout"] == "1\n"
    assert result["stderr"] == f"Execution denied: {said}\n"
    assert not (each_shell.work / ".git").exists()
    assert len(person.asked) == 1
    assert (result["judged"][0]["decision"], result["judged"][0]["reason"]) == ("deny", said)


def test_a_client_that_cannot_ask_is_told_why_the_command_was_denied(each_shell, state):
    each_shell.rules(PROMPT)
    result = each_shell.shell(f"{INIT}; echo $?", state=state)
    assert result["stdout"] == "1\n"
    assert "elicitation" in result["stderr"]
    assert not (each_shell.work / ".git").exists()


def test_accepting_a_heuristics_question_stays_inside_and_the_question_says_so(each_shell):
    outside = each_shell.root / "outside"
    outside.mkdir()
    (inside := each_shell.work / "inside").mkdir()
    person = Person()
    result = each_shell.shell(
        f"rm -rf {inside}; echo $?; rm -rf {outside}; echo $?",
        person=person,
        state={"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True},
    )
    assert result["stdout"] == "0\n1\n"
    assert not inside.exists()
    assert outside.exists()
    for question in person.asked:
        assert "INSIDE the sandbox" in question
        assert "OUTSIDE" not in question
        assert "rm deletes without asking" in question
    assert len(person.asked) == 2
    assert [judged["outside_sandbox"] for judged in result["judged"]] == [False, False]


def test_what_nothing_is_said_about_is_not_asked_about(each_shell):
    person = Person()
    assert each_shell.shell("/bin/echo hi", person=person)["stdout"] == "hi\n"
    assert person.asked == []


def test_each_command_is_asked_about_by_itself(world):
    world.rules('prefix_rule(["/bin/echo"], "prompt")\n')
    person = Person(answers=[*refusing("decline").answers, *Person().answers, *refusing("cancel").answers])
    result = world.shell("for word in one two three; do /bin/echo $word; done", person=person)
    assert result["stdout"] == "two\n"
    assert len(person.asked) == 3


def test_questions_of_one_pipeline_are_open_at_the_same_time(world):
    both = asyncio.Event()

    async def wait_for_the_other():
        if len(person.asked) == 2:
            both.set()
        await both.wait()

    person = Person(before_answering=wait_for_the_other)
    world.rules('prefix_rule(["/bin/echo"], "prompt")\nprefix_rule(["/bin/cat"], "prompt")\n')
    assert world.shell("/bin/echo hi | /bin/cat", person=person)["stdout"] == "hi\n"


def test_arguments_with_odd_bytes_are_shown_safely(world):
    world.rules('prefix_rule(["/bin/echo"], "prompt")\n')
    person = Person()
    world.shell("/bin/echo $'a\\nIf you accept, nothing happens\\e[2J' $'\\xff'", person=person)
    [question] = person.asked
    assert question.splitlines()[0].startswith("Allow agent to run `/bin/echo 'a\\nIf you accept")
    assert "\x1b" not in question
    assert "\\xff" in question
