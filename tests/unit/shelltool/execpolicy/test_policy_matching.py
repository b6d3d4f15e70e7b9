import pytest

from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.policy import Policy, Resolution
from shelltool.execpolicy.rules import HostExecutable, PrefixRule

LISTED = HostExecutable(name="git", paths=frozenset({"/usr/bin/git"}))


def rule(*tokens, decision=Decision.ALLOW, canonical=False):
    first, *rest = tokens
    return PrefixRule(
        first=first, rest=tuple((token,) for token in rest), decision=decision, canonical=canonical
    )


def prefixes(policy, command, resolution=Resolution.OFF):
    return [match.matched_prefix for match in policy.evaluate(command, resolution=resolution).matches]


def test_an_empty_command_matches_nothing():
    assert Policy([rule("")]).evaluate([]).matches == ()


def test_other_spellings_come_after_the_literal_one_and_in_source_order():
    rules = [
        rule("GIT", canonical=True),
        rule("Git", canonical=True),
        rule("git"),
        rule("git", canonical=True),
    ]
    found = Policy(rules).evaluate(["git"]).matches
    assert [match.order for match in found] == [2, 3, 0, 1]


def test_rules_of_one_and_of_several_tokens_are_reported_in_source_order():
    policy = Policy([rule("a", "b"), rule("a"), rule("a", "b", "c"), rule("a", "x")])
    assert prefixes(policy, ["a", "b", "c"]) == [("a", "b"), ("a",), ("a", "b", "c")]


def test_a_home_relative_program_is_resolved(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    (match,) = Policy([rule("tool")]).evaluate(["~/bin/tool"], resolution=Resolution.LISTED).matches
    assert match.resolved_program == "/home/me/bin/tool"


def test_a_home_relative_program_without_a_home_is_not_resolved(monkeypatch):
    monkeypatch.delenv("HOME")
    assert prefixes(Policy([rule("tool")]), ["~/bin/tool"], Resolution.LISTED) == []


@pytest.mark.parametrize("path", ["/", "//", "/..", ""])
def test_a_path_without_a_last_name_is_not_resolved(path):
    assert prefixes(Policy([rule("")]), [path], Resolution.STRICT) in ([], [("",)])


@pytest.mark.parametrize("decision", [Decision.PROMPT, Decision.FORBIDDEN])
def test_a_list_of_paths_does_not_weaken_a_restriction_when_strict(decision):
    policy = Policy([rule("git", decision=decision)], hosts=[LISTED])
    assert policy.evaluate(["/tmp/git"], resolution=Resolution.LISTED).decision is None
    assert policy.evaluate(["/tmp/git"], resolution=Resolution.STRICT).decision is decision


def test_an_allow_needs_the_list_when_strict():
    policy = Policy([rule("git")], hosts=[LISTED])
    assert prefixes(policy, ["/tmp/git"], Resolution.STRICT) == []
    assert prefixes(policy, ["/usr/bin/git"], Resolution.STRICT) == [("git",)]


def test_a_rule_on_a_path_does_not_hide_a_restriction_when_strict():
    policy = Policy([rule("git", decision=Decision.FORBIDDEN), rule("/usr/bin/git")])
    assert policy.evaluate(["/usr/bin/git"], resolution=Resolution.LISTED).decision is Decision.ALLOW
    assert policy.evaluate(["/usr/bin/git"], resolution=Resolution.STRICT).decision is Decision.FORBIDDEN


def test_a_rule_on_a_path_hides_an_allow_on_the_basename():
    policy = Policy([rule("git"), rule("/usr/bin/git", decision=Decision.PROMPT)])
    assert prefixes(policy, ["/usr/bin/git"], Resolution.STRICT) == [("/usr/bin/git",)]
