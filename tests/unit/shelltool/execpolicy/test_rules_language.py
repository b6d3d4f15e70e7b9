import os

import pytest

from shelltool.errors import RulesFileError
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.loading import LARGEST_FILE, load_rules
from shelltool.execpolicy.policy import Resolution


def refusal(policy, *texts):
    with pytest.raises(RulesFileError) as caught:
        policy(*texts)
    return caught.value


def test_an_error_names_the_file_the_line_and_the_sentence(policy, tmp_path):
    error = refusal(policy, '\n\nprefix_rule(["a"], "nope")\n')
    assert str(error) == f"{tmp_path}/0.rules:3: invalid decision: nope"
    assert error.exit_code == 1


def test_an_error_inside_a_function_names_the_line_of_the_statement_and_shows_the_way_there(policy):
    error = refusal(policy, "def forbid(name):\n  prefix_rule(name)\n\nforbid(1)\n")
    assert error.line == 2
    assert error.detail.index("0.rules:4, in <module>") < error.detail.index("0.rules:2, in forbid")
    assert "<prelude>" not in error.detail


def test_an_overflow_below_a_statement_is_blamed_on_the_rules_file_and_not_on_our_prelude(policy):
    error = refusal(policy, "def f(n):\n  if n: f(n - 1)\n  else: prefix_rule(['a'])\nf(48)\n")
    assert (error.line, error.sentence) == (3, "Starlark call stack overflow")


def test_a_location_inside_a_message_does_not_move_the_error(policy):
    assert refusal(policy, '\nfail("x\\n --> elsewhere:99:1\\n")').line == 2


def test_a_failing_example_is_blamed_on_the_line_of_its_rule(policy):
    error = refusal(policy, '# one\nprefix_rule(["git"], match = ["hg"])\n')
    assert error.line == 2
    assert error.sentence.endswith('unmatched examples: ["hg"]')


def test_an_error_of_evaluation_wins_over_a_failing_example(policy):
    assert refusal(policy, 'prefix_rule(["a"], match = ["b"])\nfail("later")').sentence == "fail: later"


def test_not_match_is_checked_before_match(policy):
    error = refusal(policy, 'prefix_rule(["a"], match = ["b"], not_match = ["a"])')
    assert error.sentence.startswith("expected example to not match")


def test_examples_ask_only_the_rules_of_their_own_call(policy):
    text = 'prefix_rule(["a"])\nprefix_rule(["b"], not_match = ["a"], match = ["b"])'
    assert len(policy(text).rules) == 2


def test_host_executables_of_a_later_file_do_not_count_for_examples(policy):
    first = 'prefix_rule(["git"], match = ["/usr/bin/git"])'
    later = 'host_executable("git", ["/opt/git"])'
    assert policy(first, later).hosts == {"git": frozenset({"/opt/git"})}
    assert refusal(policy, later, first).sentence.startswith("expected every example")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prefix_rule(pattern=[])", "invalid pattern element: pattern cannot be empty"),
        (
            'prefix_rule(["a"], "allow", [], [], "j", True, 1)',
            "Found 1 extra positional argument(s) for call to prefix_rule",
        ),
        ('prefix_rule(["a"], foo=1)', "Found `foo` extra named parameter(s) for call to prefix_rule"),
        ('prefix_rule(["a"], pattern=["a"])', "Argument `pattern` occurs more than once"),
        (
            'prefix_rule(["a"], canonical_matching=1)',
            "Type of parameter `canonical_matching` doesn't match, expected `bool`, actual `int (repr: 1)`",
        ),
        (
            'prefix_rule(["a"], decision=["b"])',
            'Type of parameter `decision` doesn\'t match, expected `str`, actual `list (repr: ["b"])`',
        ),
        (
            'prefix_rule(["a"], decision=True)',
            "Type of parameter `decision` doesn't match, expected `str`, actual `bool (repr: True)`",
        ),
        (
            "prefix_rule(range(3))",
            "Type of parameter `pattern` doesn't match, expected `list`, actual `range (repr: range(3))`",
        ),
        (
            'prefix_rule(["a", len])',
            "invalid pattern element: pattern element must be a string or list of strings (got function)",
        ),
        ('prefix_rule(["a"], match=["\'"])', "invalid example: example string has invalid shell syntax"),
        ('prefix_rule(["a"], match=[[]])', "invalid example: example cannot be an empty list"),
        ('host_executable("", [])', "invalid rule: host_executable name cannot be empty"),
        (
            'host_executable("git", ["~/git"])',
            "invalid rule: host_executable paths must be absolute (got ~/git)",
        ),
        ('host_executable("git", [1])', "invalid rule: host_executable paths must be strings (got int)"),
        (
            'host_executable("git", ["/git/.."])',
            "invalid rule: host_executable path `/git/..` must have basename `git`",
        ),
    ],
)
def test_a_statement_that_breaks_a_rule_is_refused_with_its_sentence(policy, text, sentence):
    assert refusal(policy, text).sentence == sentence


def test_the_newer_dialect_is_understood(policy):
    text = """
NAMES = {"k": "git"}
unused = [b"bytes", bytes("bytes"), bytes([1])]
prefix_rule([f"{NAMES['k']}", f"{1 + 1}", f"{'x'!r}{{"])
"""
    assert policy(text).rules[0].first == "git"
    assert policy(text).rules[0].rest == (("2",), ('"x"{',))


def test_bytes_are_no_strings_in_a_pattern(policy):
    error = refusal(policy, 'prefix_rule([b"a"])')
    assert error.sentence.endswith("must be a string or list of strings (got bytes)")


@pytest.mark.parametrize("text", ["print(1)", "x = struct(a = 1)", "call_stack()", 'x = "{:02}"; f"{x:02}"'])
def test_what_the_language_lacks_stays_missing(policy, text):
    assert refusal(policy, text).line == 1


def test_a_list_changed_after_the_call_does_not_change_the_rule(policy):
    assert policy('p = ["a"]\nprefix_rule(p)\np.append("b")').rules[0].length == 1


def test_network_rules_are_kept_in_their_one_form(policy):
    text = 'network_rule(" API.Example.com. ", "https_connect", "deny")\nnetwork_rule("[FE80::1]:80", "http", "prompt")'
    kept = [(rule.host, rule.protocol, rule.decision) for rule in policy(text).network_rules]
    assert kept == [
        ("api.example.com", "https", Decision.FORBIDDEN),
        ("fe80::1", "http", Decision.PROMPT),
    ]


def test_a_file_that_is_not_utf8_is_reported_with_the_line(in_process, tmp_path):
    path = tmp_path / "x.rules"
    path.write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(RulesFileError) as caught:
        load_rules([path])
    assert (caught.value.line, caught.value.step) == (2, "read")


def test_a_file_that_is_too_large_is_not_read_whole(in_process, tmp_path):
    path = tmp_path / "x.rules"
    path.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(RulesFileError, match="larger than 1024 KiB"):
        load_rules([path])


def test_a_path_that_is_not_text_can_still_be_reported(in_process, tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.rules")
    path.write_text("fail(1)", encoding="utf-8")
    with pytest.raises(RulesFileError, match=r"\ufffd\.rules:1: fail: 1"):
        load_rules([path])


def test_rules_reach_paths_only_when_asked_to(policy):
    found = policy('prefix_rule(["git"])')
    assert found.evaluate(["/usr/bin/git"]).matches == ()
    assert found.evaluate(["/usr/bin/git"], resolution=Resolution.LISTED).decision is Decision.ALLOW
