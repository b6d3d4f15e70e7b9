import fcntl
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.errors import AmendmentError
from shelltool.execpolicy import amendments
from shelltool.execpolicy.amendments import append_network_rule, append_prefix_rule
from shelltool.execpolicy.decision import Decision
from shelltool.execpolicy.evaluator import evaluate
from shelltool.execpolicy.limits import Limits
from shelltool.execpolicy.wire import Accepted, Answer, PrefixStatement

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@pytest.fixture
def rules(tmp_path):
    return tmp_path / "rules" / "default.rules"


def test_lines_are_written_in_the_form_that_other_programs_write(tmp_path, rules):
    assert append_prefix_rule(tmp_path, ["mkdir", "-p"])
    assert append_network_rule(tmp_path, "H.", "http", Decision.FORBIDDEN, "Deny http access to h")
    assert rules.read_text(encoding="utf-8") == (
        'prefix_rule(pattern=["mkdir", "-p"], decision="allow")\n'
        'network_rule(host="h", protocol="http", decision="deny", justification="Deny http access to h")\n'
    )


def test_a_line_that_is_there_already_is_not_written_again(tmp_path, rules):
    assert append_prefix_rule(tmp_path, ["ls"])
    assert not append_prefix_rule(tmp_path, ["ls"])
    assert len(rules.read_bytes().splitlines()) == 1


def test_a_missing_last_newline_is_added_first(tmp_path, rules):
    rules.parent.mkdir()
    rules.write_text("# mine", encoding="utf-8")
    append_prefix_rule(tmp_path, ["ls"])
    assert rules.read_text(encoding="utf-8").splitlines()[0] == "# mine"


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_what_is_written_is_read_back_as_the_same_words(tmp_path_factory, words):
    home = tmp_path_factory.mktemp("home")
    append_prefix_rule(home, words)
    text = (home / "rules" / "default.rules").read_bytes().decode()
    answer = Answer.validate_python(evaluate("x", text, Limits()))
    assert isinstance(answer, Accepted)
    (statement,) = answer.statements
    assert isinstance(statement, PrefixStatement)
    assert statement.pattern == [[word] for word in words]
    assert text.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["ls", "\udcff"]])
def test_words_that_no_rule_can_hold_are_refused(tmp_path, words, rules):
    with pytest.raises(AmendmentError, match="no rule was written"):
        append_prefix_rule(tmp_path, words)
    assert not rules.exists()


@pytest.mark.parametrize(("host", "protocol"), [("*", "http"), ("h", "ftp")])
def test_a_network_rule_that_would_break_the_file_is_refused(tmp_path, host, protocol):
    with pytest.raises(AmendmentError, match="no rule was written"):
        append_network_rule(tmp_path, host, protocol, Decision.ALLOW)


def test_only_the_rules_folder_is_made(tmp_path):
    with pytest.raises(AmendmentError, match="No such file"):
        append_prefix_rule(tmp_path / "missing", ["ls"])
    assert not (tmp_path / "missing").exists()


def test_a_link_is_not_written_through_because_it_would_not_be_read_either(tmp_path, rules):
    rules.parent.mkdir()
    target = tmp_path / "target"
    target.write_text("", encoding="utf-8")
    rules.symlink_to(target)
    with pytest.raises(AmendmentError, match="symbolic links"):
        append_prefix_rule(tmp_path, ["ls"])
    assert target.read_bytes() == b""


def test_writers_at_the_same_time_lose_nothing(tmp_path, rules):
    threads = [
        threading.Thread(target=append_prefix_rule, args=(tmp_path, [f"tool{number}"]))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    lines = rules.read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == sorted(f'prefix_rule(pattern=["tool{n}"], decision="allow")' for n in range(16))


def test_a_lock_that_is_never_given_back_ends_in_an_error(tmp_path, rules, monkeypatch):
    monkeypatch.setattr(amendments, "_LOCK_SECONDS", 0.05)
    append_prefix_rule(tmp_path, ["ls"])
    with rules.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(AmendmentError, match="another program holds its lock"):
            append_prefix_rule(tmp_path, ["cat"])


def test_a_file_that_was_replaced_while_waiting_is_not_written_to(tmp_path, rules, monkeypatch):
    append_prefix_rule(tmp_path, ["ls"])
    lock = amendments._lock

    def replace_once(descriptor, deadline):
        monkeypatch.setattr(amendments, "_lock", lock)
        rules.rename(tmp_path / "old")
        lock(descriptor, deadline)

    monkeypatch.setattr(amendments, "_lock", replace_once)
    append_prefix_rule(tmp_path, ["cat"])
    assert b"cat" in rules.read_bytes()
    assert b"cat" not in (tmp_path / "old").read_bytes()


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, rules, monkeypatch):
    append_prefix_rule(tmp_path, ["ls"])
    before = rules.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:5]))
    with pytest.raises(AmendmentError, match="No space left"):
        append_prefix_rule(tmp_path, ["cat"])
    monkeypatch.undo()
    assert rules.read_bytes() == before
