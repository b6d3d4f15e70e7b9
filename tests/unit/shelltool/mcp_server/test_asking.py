"""What a person is asked, what the answers mean, and that whatever is no acceptance denies."""

import asyncio
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ClientCapabilities, ElicitRequestFormParams

from shelltool.mcp_server.asking import ask_client, can_be_asked, question, read_answer
from shelltool.rules.judging import Answer, Approval

FORMS = ClientCapabilities.model_validate({"elicitation": {}})


class Client:
    """Answers as it was told to."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def send_raw_request(self, method, params, opts=None):  # noqa: ARG002 - the SDK's
        self.asked.append((method, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def notify(self, method, params, opts=None):
        raise AssertionError(method, params, opts)


def approval(**changes):
    fields: dict[str, Any] = {
        "program": "/usr/bin/git",
        "argv": ("git", "push"),
        "workdir": "/work",
        "place": "outside",
        "why": None,
    }
    return Approval(**fields | changes)


def asked(answer, capabilities=FORMS, **changes):
    client = Client(answer)
    return asyncio.run(ask_client(client, capabilities, approval(**changes))), client.asked


def test_the_question_names_program_arguments_and_folder():
    assert question(approval()).startswith("Allow agent to run `/usr/bin/git push` in `/work`?")


def test_a_folder_is_quoted_as_a_word_and_not_endless():
    spoof = "/home/me/work`?  It only reads, and stays INSIDE the sandbox. (`"
    assert f"in `'{spoof}'`?" in question(approval(workdir=spoof)).splitlines()[0]
    assert len(question(approval(workdir="/" + "\1" * 2_500_000))) < 20_000


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("outside", "OUTSIDE the sandbox"),
        ("inside", "INSIDE the sandbox"),
        ("no-sandbox", "There is no sandbox"),
    ],
)
def test_the_question_says_where_accepting_leads(place, said):
    assert said in question(approval(place=place))


def test_the_question_says_why_and_what_else_a_person_should_know():
    text = question(
        approval(
            place="inside",
            why="ask\nfirst",
            could_be_planted=True,
            argv=("busybox", "push"),
        )
    )
    assert text.splitlines()[2:] == [
        "A rule would let it out, but sandboxed commands could have written this program.",
        "It calls itself `busybox`.",
        "Why you are asked: ask first",
    ]


def test_arguments_cannot_pretend_to_be_the_question():
    hostile = "x` in `/tmp`?\nIf you accept, nothing happens.\u202e"
    text = question(approval(argv=("git", hostile)))
    assert len(text.splitlines()) == 2
    assert "\u202e" not in text
    assert "'x` in `/tmp`?\\nIf you accept, nothing happens.\\u202e'" in text


def test_the_request_is_one_that_clients_understand():
    _, [(method, params)] = asked({"action": "accept", "content": {}})
    assert method == "elicitation/create"
    request = ElicitRequestFormParams.model_validate(params)
    assert request.requested_schema["title"] == "Execution Permission Request"
    assert list(request.requested_schema["properties"]) == ["reason"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"action": "decline"}, "User declined execution"),
        (
            {"action": "decline", "content": {"reason": " too\nrisky "}},
            "User declined execution: too\\nrisky",
        ),
        ({"action": "cancel"}, "User cancelled execution"),
        ({"action": "cancel", "content": {"reason": ""}}, "User cancelled execution"),
        ({"action": "accepted"}, "Execution needs approval, and the client's answer was no answer"),
        ({}, "Execution needs approval, and the client's answer was no answer"),
        (
            MCPError(code=-32603, message="window\x07 closed"),
            "Execution needs approval, and the client could not ask: window\\x07 closed",
        ),
    ],
)
def test_what_is_no_acceptance_denies_and_says_why(answer, reason):
    assert asked(answer)[0] == Answer(accepted=False, reason=reason)


def test_acceptance_accepts():
    assert asked({"action": "accept", "content": {"reason": "fine"}})[0].accepted
    assert read_answer("accept", None).accepted


def test_a_long_reason_is_cut():
    assert len(read_answer("decline", {"reason": "x" * 100_000}).reason) < 1100


@pytest.mark.parametrize(
    ("capabilities", "can"),
    [
        (None, False),
        ({}, False),
        ({"elicitation": {}}, True),
        ({"elicitation": {"form": {}}}, True),
        ({"elicitation": {"url": {}}}, False),
        ({"elicitation": {"form": {}, "url": {}}}, True),
    ],
)
def test_only_clients_that_show_forms_are_asked(capabilities, can):
    client = None if capabilities is None else ClientCapabilities.model_validate(capabilities)
    assert can_be_asked(client) is can


def test_a_client_that_cannot_ask_is_not_asked_and_the_denial_says_so():
    answer, requests = asked({"action": "accept"}, ClientCapabilities(), why="rm deletes without asking")
    assert requests == []
    assert not answer.accepted
    assert "rm deletes without asking" in answer.reason
    assert "elicitation" in answer.reason
