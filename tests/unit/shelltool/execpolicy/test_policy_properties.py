"""Laws of the policy, over random rules and commands of a tiny alphabet so that they meet often."""

from hypothesis import given
from hypothesis import strategies as st

from shelltool.execpolicy.caseless import caseless_key
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.policy import Policy, Resolution
from shelltool.execpolicy.rules import HostExecutable, PrefixRule

PROGRAMS = st.sampled_from(["a", "A", "b", "/x/a", "/y/a", "/x/A", "é", "e\u0301"])
TOKENS = st.sampled_from(["a", "A", "b", ""])
ALTERNATIVES = st.lists(TOKENS, min_size=1, max_size=2).map(tuple)
RULES = st.builds(
    PrefixRule,
    first=PROGRAMS,
    rest=st.lists(ALTERNATIVES, max_size=3).map(tuple),
    decision=st.sampled_from(Decision),
    canonical=st.booleans(),
)
HOSTS = st.lists(
    st.builds(
        HostExecutable,
        name=st.sampled_from(["a", "A"]),
        paths=st.frozensets(st.sampled_from(["/x/a", "/y/a", "/x/A"])),
    ),
    unique_by=lambda entry: entry.name,
)
COMMANDS = st.builds(lambda first, rest: [first, *rest], PROGRAMS, st.lists(TOKENS, max_size=4))
RESOLUTIONS = st.sampled_from(Resolution)


@given(st.lists(RULES, max_size=8), HOSTS, COMMANDS, RESOLUTIONS, st.randoms(use_true_random=False))
def test_the_decision_does_not_depend_on_the_order_of_rules(rules, hosts, command, resolution, random):
    shuffled = random.sample(rules, len(rules))
    decision = Policy(rules, hosts=hosts).evaluate(command, resolution=resolution).decision
    assert Policy(shuffled, hosts=hosts).evaluate(command, resolution=resolution).decision == decision


@given(
    st.lists(RULES, max_size=8), RULES, HOSTS, COMMANDS, st.sampled_from([Resolution.OFF, Resolution.STRICT])
)
def test_one_more_rule_never_loosens_a_restriction(rules, further, hosts, command, resolution):
    before = Policy(rules, hosts=hosts).evaluate(command, resolution=resolution).decision
    after = Policy([*rules, further], hosts=hosts).evaluate(command, resolution=resolution).decision
    if before is not None and before > Decision.ALLOW:
        assert after is not None
        assert after >= before


@given(st.lists(RULES, max_size=8), HOSTS, COMMANDS)
def test_no_list_of_paths_loosens_a_restriction_when_strict(rules, hosts, command):
    without = Policy(rules).evaluate(command, resolution=Resolution.STRICT).decision
    listed = Policy(rules, hosts=hosts).evaluate(command, resolution=Resolution.STRICT).decision
    assert (listed or Decision.ALLOW) == (without or Decision.ALLOW)


@given(st.lists(RULES, max_size=8), COMMANDS)
def test_the_index_finds_what_asking_every_rule_finds(rules, command):
    def matches(rule):
        key = caseless_key if rule.canonical else str
        wanted = [{key(rule.first)}, *({key(token) for token in alternatives} for alternatives in rule.rest)]
        return len(command) >= len(wanted) and all(
            key(token) in accepted for token, accepted in zip(command, wanted, strict=False)
        )

    found = sorted(match.order for match in Policy(rules).evaluate(command).matches)
    assert found == [order for order, rule in enumerate(rules) if matches(rule)]


@given(st.lists(RULES, max_size=8), HOSTS, COMMANDS, RESOLUTIONS)
def test_the_same_question_gets_the_same_answer_in_the_same_order(rules, hosts, command, resolution):
    answers = [Policy(rules, hosts=hosts).evaluate(command, resolution=resolution) for _ in range(2)]
    assert answers[0] == answers[1]
    assert [match.order for match in answers[0].matches] == [match.order for match in answers[1].matches]
