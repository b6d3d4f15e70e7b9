"""Rules, heuristics and a person's answers, turned into decisions about execs."""

import asyncio
from contextlib import contextmanager
from pathlib import Path

import pytest

from shelltool.escalation import Deny, Escalate, ExecRequest, ImmediatePolicy, Run
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.layers import LoadedPolicy, Problem
from shelltool.execpolicy.policy import Policy
from shelltool.execpolicy.rules import PrefixRule
from shelltool.rules.judging import Answer, RulesPolicy

ACCEPT = Answer(accepted=True)


def rule(*words, decision=Decision.ALLOW, why=None):
    return PrefixRule(
        first=words[0], rest=tuple((word,) for word in words[1:]), decision=decision, justification=why
    )


class Scene:
    """One call's policy, with a person who answers as told."""

    def __init__(self, *rules, answer=ACCEPT, broken=(), confined=True, preserve=False):
        self.answer = answer
        self.asked = []
        self.paused = 0
        self.policy = RulesPolicy(
            LoadedPolicy(policy=Policy(rules), problems=broken),
            ask=self._ask,
            pause=self._pause,
            confined=confined,
            preserve_program_paths=preserve,
        )

    async def _ask(self, approval):
        assert self.paused == 1, "the deadline runs while a person is being asked"
        self.asked.append(approval)
        return self.answer

    @contextmanager
    def _pause(self):
        self.paused += 1
        yield
        self.paused -= 1

    def decide(self, program, *arguments, planted=False, argv0=None):
        request = ExecRequest(
            file=program,
            argv=(argv0 or Path(program).name, *arguments),
            workdir="/work",
            program=program,
            resolved=program,
            writable=lambda: planted,
        )
        decided = asyncio.run(self.policy.decide(request))
        assert self.policy.decide_now(request) == (None if self.asked else decided)
        assert self.paused == 0
        return decided


def test_what_nothing_is_said_about_runs_inside():
    assert Scene().decide("/usr/bin/ls") == Run()


def test_a_rule_that_allows_lets_it_out():
    assert Scene(rule("git", "status")).decide("/usr/bin/git", "status", "-s") == Escalate()


def test_a_rule_on_the_full_path_lets_it_out_whoever_could_write_it():
    assert Scene(rule("/work/tool")).decide("/work/tool", planted=True) == Escalate(even_if_writable=True)


def test_a_rule_that_forbids_denies_with_its_justification():
    forbidden = Decision.FORBIDDEN
    assert Scene(rule("id", decision=forbidden)).decide("/usr/bin/id") == Deny(
        "Execution forbidden by policy"
    )
    assert Scene(rule("id", decision=forbidden, why="not here")).decide("/usr/bin/id") == Deny(
        "Execution forbidden by policy: not here"
    )


def test_a_rule_that_prompts_lets_it_out_once_accepted():
    scene = Scene(rule("git", decision=Decision.PROMPT, why="look first"))
    assert scene.decide("/usr/bin/git", "push") == Escalate()
    [approval] = scene.asked
    assert (approval.place, approval.why, approval.could_be_planted) == ("outside", "look first", False)
    assert (approval.program, approval.argv, approval.workdir) == (
        "/usr/bin/git",
        ("git", "push"),
        "/work",
    )


def test_a_program_that_could_be_planted_stays_inside_and_the_person_knows():
    scene = Scene(rule("git", decision=Decision.PROMPT))
    assert scene.decide("/work/git", "push", planted=True) == Escalate(even_if_writable=False)
    assert (scene.asked[0].place, scene.asked[0].could_be_planted) == ("inside", True)


def test_a_heuristic_asks_and_acceptance_leaves_it_inside():
    scene = Scene()
    assert scene.decide("/usr/bin/rm", "-rf", "x") == Run()
    assert scene.asked[0].place == "inside"


@pytest.mark.parametrize("reason", ["User declined execution: no", ""])
def test_what_a_person_declines_is_denied_with_the_reason(reason):
    scene = Scene(rule("git", decision=Decision.PROMPT), answer=Answer(accepted=False, reason=reason))
    assert scene.decide("/usr/bin/git") == Deny(reason or None)


def test_without_a_sandbox_the_question_says_that_there_is_none():
    scene = Scene(rule("git", decision=Decision.PROMPT), confined=False)
    scene.decide("/usr/bin/git")
    scene.decide("/usr/bin/rm", "-f", "x")
    assert [approval.place for approval in scene.asked] == ["no-sandbox", "no-sandbox"]


def test_what_a_broken_file_may_have_said_is_asked_about():
    scene = Scene(rule("ls"), broken=(Problem(path=Path("/r/x.rules"), message="no", line=3),))
    assert scene.decide("/usr/bin/id") == Run()
    assert scene.decide("/usr/bin/ls") == Escalate()
    assert [approval.place for approval in scene.asked] == ["inside", "outside"]
    assert "/r/x.rules:3: no" in (scene.asked[0].why or "")


class TestPreservedProgramPaths:
    def test_a_rule_on_a_bare_name_no_longer_lets_out(self):
        assert Scene(rule("git"), preserve=True).decide("/usr/bin/git") == Run()

    def test_a_rule_on_the_path_still_does(self):
        scene = Scene(rule("/usr/bin/git"), preserve=True)
        assert scene.decide("/usr/bin/git") == Escalate(even_if_writable=True)

    def test_rules_on_a_bare_name_still_ask_and_forbid(self):
        scene = Scene(
            rule("git", decision=Decision.PROMPT), rule("id", decision=Decision.FORBIDDEN), preserve=True
        )
        assert scene.decide("/usr/bin/id") == Deny("Execution forbidden by policy")
        assert scene.decide("/usr/bin/git") == Escalate()

    def test_heuristics_and_broken_files_still_ask(self):
        broken = (Problem(path=Path("/r/x.rules"), message="no"),)
        assert len((scene := Scene(rule("rm"), preserve=True)).asked) == 0
        assert scene.decide("/usr/bin/rm", "-f", "x") == Run()
        assert scene.asked[0].place == "inside"
        scene = Scene(rule("ls"), preserve=True, broken=broken)
        assert scene.decide("/usr/bin/ls") == Run()
        assert scene.asked


def test_answers_that_need_no_person_come_at_once():
    assert isinstance(Scene().policy, ImmediatePolicy)
