"""A wrapper that knows nothing but the documented five messages works with our server."""

import sys
from pathlib import Path

import pytest

from integration.escalation.world import ByName, World
from shelltool.escalation import Escalate


@pytest.fixture
def foreign(kept: World) -> World:
    """A world with the wrapper from the documentation."""
    source = Path(__file__).with_name("minimal_wrapper.py").read_text(encoding="utf-8")
    kept.wrapper = kept.put("minimal-wrapper", f"#!{sys.executable} -IS\n{source}")
    return kept


def test_it_runs_denies_and_escalates(foreign):
    foreign.put("file", "content\n")
    policy = ByName(escalated=["cat", "sh"], denied={"id": "no", "uname": None})
    script = "/bin/echo ran; id; echo $?; uname; cat /dev/fd/3 3<file; sh -c 'exit 7'; echo $?; sh -c 'kill $$'; echo $?"
    done = foreign.run(script, policy=policy)
    assert done.output == (b"ran\nExecution denied: no\n1\nExecution denied\ncontent\n7\n" + b"143\n")
    assert done.outcomes.count(Escalate(even_if_writable=True)) == 3


def test_its_escalated_commands_end_with_the_call_like_all_others(foreign):
    done = foreign.run("sleep 1000", policy=ByName(escalated=["sleep"]), timeout_s=0.5)
    assert done.result.timed_out
    assert not foreign.left()


def test_an_escalated_command_of_its_gets_the_servers_own_umask(foreign):
    done = foreign.run("umask 077; sh -c umask", policy=ByName(escalated=["sh"]))
    assert done.stdout != b"0077\n"
