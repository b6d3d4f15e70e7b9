from pathlib import Path

import pytest

from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.layers import LoadedPolicy, Problem
from shelltool.execpolicy.policy import Policy
from shelltool.execpolicy.rules import HostExecutable, PrefixRule
from shelltool.execpolicy.verdict import Source


def rule(*tokens, decision=Decision.ALLOW, why=None):
    first, *rest = tokens
    return PrefixRule(
        first=first, rest=tuple((token,) for token in rest), decision=decision, justification=why
    )


def decide(rules, argv, program=None, real=None, hosts=()):
    policy = LoadedPolicy(policy=Policy(rules, hosts=hosts))
    return policy.decide(argv, program=program, real_program=real)


def test_what_nothing_speaks_of_runs_in_the_sandbox():
    verdict = decide([], ["ls"], "/usr/bin/ls", "/usr/bin/ls")
    assert (verdict.decision, verdict.source) == (Decision.ALLOW, Source.UNMATCHED)
    assert not verdict.leaves_sandbox


def test_a_rule_takes_the_command_out_of_the_sandbox_and_says_whether_only_by_name():
    by_name = decide([rule("git")], ["git"], "/usr/bin/git", "/usr/bin/git")
    by_path = decide([rule("git"), rule("/usr/bin/git")], ["git"], "/usr/bin/git", "/usr/bin/git")
    assert (by_name.leaves_sandbox, by_name.by_basename) == (True, True)
    assert (by_path.leaves_sandbox, by_path.by_basename) == (True, False)


def test_a_prompt_by_rule_leaves_the_sandbox_and_a_heuristic_one_does_not():
    by_rule = decide([rule("rm", decision=Decision.PROMPT, why="careful")], ["rm", "-f", "x"], "/bin/rm")
    by_heuristic = decide([], ["rm", "-f", "x"], "/bin/rm")
    assert (by_rule.decision, by_rule.source, by_rule.leaves_sandbox, by_rule.reason) == (
        Decision.PROMPT,
        Source.RULE,
        True,
        "careful",
    )
    assert (by_heuristic.decision, by_heuristic.source) == (Decision.PROMPT, Source.HEURISTIC)
    assert not by_heuristic.leaves_sandbox


def test_a_rule_that_could_be_planted_asks_and_takes_nothing_out_of_the_sandbox():
    planted = PrefixRule(first="/bin/make", decision=Decision.PROMPT, could_be_planted=True)
    alone = decide([planted], ["make"], "/bin/make", "/bin/make")
    beside = decide([planted, rule("make")], ["make"], "/usr/bin/make", "/usr/bin/make")
    stricter = decide([planted, rule("make", decision=Decision.PROMPT)], ["make"], "/bin/make", "/bin/make")
    assert (alone.decision, alone.leaves_sandbox) == (Decision.PROMPT, False)
    assert (beside.decision, beside.leaves_sandbox) == (Decision.ALLOW, True)
    assert (stricter.leaves_sandbox, stricter.by_basename) == (True, True)


def test_a_rule_that_allows_silences_the_heuristic():
    assert decide([rule("rm")], ["rm", "-f", "x"], "/bin/rm").decision is Decision.ALLOW


def test_the_reason_comes_from_the_longest_rule_that_decides():
    rules = [
        rule("git", decision=Decision.PROMPT, why="short"),
        rule("git", "push", decision=Decision.PROMPT, why="long"),
        rule("git", "push", "x", why="allowing"),
    ]
    assert decide(rules, ["git", "push", "x"], "/bin/git").reason == "long"


@pytest.mark.parametrize(
    ("argv", "program", "real"),
    [
        (["rm", "x"], "/work/rm", "/work/rm"),
        (["rm", "x"], "/work/link", "/bin/rm"),
        (["rm", "x"], "/bin/link", "/usr/bin/busybox"),
        (["rm", "x"], "/bin/busybox", "/bin/busybox"),
        (["x", "x"], "/bin//rm", None),
        (["rm", "x"], None, None),
        (["/bin/rm", "x"], None, None),
    ],
)
def test_a_restriction_holds_for_every_name_that_the_program_goes_by(argv, program, real):
    verdict = decide([rule("rm", decision=Decision.FORBIDDEN)], argv, program, real)
    assert (verdict.decision, verdict.source) == (Decision.FORBIDDEN, Source.RULE)
    assert not verdict.leaves_sandbox


def test_a_restriction_on_a_path_holds_for_other_spellings_of_it():
    rules = [rule("/usr/bin/rm", decision=Decision.FORBIDDEN)]
    assert decide(rules, ["rm"], "/usr/bin/../bin/rm", None).decision is Decision.FORBIDDEN
    assert decide(rules, ["rm"], "/bin/rm", "/usr/bin/rm").decision is Decision.FORBIDDEN


@pytest.mark.parametrize(
    ("argv", "program", "real", "rules"),
    [
        # A link that gives another program an allowed name in argv[0], or the other way round.
        (["git", "status"], "/work/evil", "/work/evil", [rule("git")]),
        (["evil"], "/usr/bin/git", "/usr/bin/git", [rule("git")]),
        # An allowed program of many applets, run as one that nobody allowed.
        (["rm", "ls"], "/work/rm", "/bin/busybox", [rule("busybox", "ls")]),
        (["rm", "ls"], "/bin/busybox", "/bin/busybox", [rule("busybox", "ls")]),
        # By name a listed path, on disk something else.
        (["git"], "/usr/bin/link/../git", "/work/git", [rule("/usr/bin/git")]),
        (["git"], "/usr/bin/link/../git", "/work/git", [rule("git")]),
    ],
)
def test_an_allow_does_not_count_for_a_name_that_the_caller_could_choose(argv, program, real, rules):
    hosts = [HostExecutable(name="git", paths=frozenset({"/usr/bin/git"}))]
    verdict = decide(rules, argv, program, real, hosts)
    assert not verdict.leaves_sandbox
    assert verdict.source is Source.UNMATCHED


def test_an_allow_counts_for_the_real_path_behind_a_link_of_the_same_name():
    verdict = decide([rule("/usr/bin/git")], ["git"], "/bin/git", "/usr/bin/git")
    assert (verdict.source, verdict.leaves_sandbox) == (Source.RULE, True)


def test_a_login_shell_goes_by_its_name():
    assert decide([rule("bash")], ["-bash"], "/bin/bash", "/bin/bash").source is Source.RULE


def test_a_command_without_arguments_at_all_is_judged_by_its_path():
    assert decide([rule("ls", decision=Decision.PROMPT)], [], "/bin/ls").decision is Decision.PROMPT
    assert decide([], []).source is Source.UNMATCHED


def test_each_rule_is_reported_once_and_in_source_order():
    rules = [rule("/usr/bin/git"), rule("git", decision=Decision.PROMPT), rule("/bin/git")]
    verdict = decide(rules, ["git"], "/bin/git", "/usr/bin/git")
    assert [match.order for match in verdict.matches] == [0, 1, 2]


class TestWithABrokenFile:
    BROKEN = Problem(path=Path("/r/x.rules"), line=3, message="oops")
    WARNING = Problem(path=Path("/r/y.rules"), message="ignored", is_broken=False)

    def decide(self, rules, argv, problems=(BROKEN,)):
        return LoadedPolicy(policy=Policy(rules), problems=problems).decide(argv, program=f"/bin/{argv[0]}")

    def test_what_would_have_run_is_asked_about_and_the_file_is_named(self):
        verdict = self.decide([], ["ls"])
        assert (verdict.decision, verdict.source) == (Decision.PROMPT, Source.BROKEN_RULES)
        assert not verdict.leaves_sandbox
        assert "/r/x.rules:3: oops" in (verdict.reason or "")

    def test_what_a_good_file_allows_is_asked_about_and_still_leaves_the_sandbox(self):
        verdict = self.decide([rule("git")], ["git"])
        assert (verdict.decision, verdict.leaves_sandbox) == (Decision.PROMPT, True)

    def test_stricter_rules_stay_in_force(self):
        forbidden = self.decide([rule("git", decision=Decision.FORBIDDEN)], ["git"])
        prompt = self.decide([rule("git", decision=Decision.PROMPT, why="w")], ["git"])
        assert (forbidden.decision, forbidden.source) == (Decision.FORBIDDEN, Source.RULE)
        assert (prompt.source, prompt.reason) == (Source.RULE, "w")

    def test_a_mere_warning_changes_nothing(self):
        assert self.decide([], ["ls"], (self.WARNING,)).source is Source.UNMATCHED
