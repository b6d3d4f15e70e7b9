"""The tool's contract: what its arguments may be, what is said about wrong ones, and the form of a result."""

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Tool

from shelltool.escalation import CommandResult, Deny, Escalate, ExecRequest, Judged, Run
from shelltool.mcp_server import tool
from shelltool.mcp_server.output import Written
from shelltool.mcp_server.tool import describe, read_arguments, render_result


def refused(**arguments):
    with pytest.raises(MCPError) as caught:
        read_arguments(arguments)
    assert caught.value.code == INVALID_PARAMS
    return caught.value.message


def test_the_tool_is_described_as_clients_know_it():
    described = describe("bash")
    Tool.model_validate(described)
    assert described["name"] == "shell"
    assert (
        described["description"]
        == "Runs a shell command and returns its output. You MUST provide the workdir as an absolute path."
    )
    schema = described["inputSchema"]
    assert schema["required"] == ["command", "workdir"]
    assert sorted(schema["properties"]) == ["command", "login", "timeout_ms", "workdir"]
    assert schema["properties"]["command"]["description"] == "The bash string to execute."
    assert (
        describe("zsh")["inputSchema"]["properties"]["command"]["description"] == "The zsh string to execute."
    )


def test_arguments_that_may_be_left_out_may_also_be_null():
    read = read_arguments({"command": ":", "workdir": "/", "timeout_ms": None, "login": None})
    assert read == read_arguments({"command": ":", "workdir": "/"})
    assert read.timeout_s == 10.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"command": 1}, "command: Input should be a valid string"),
        ({"timeout_ms": -1}, "timeout_ms: Input should be greater than or equal to 0"),
        ({"timeout_ms": 1 << 64}, "timeout_ms: Input should be less than or equal to 18446744073709551615"),
        ({"timeout_ms": "5"}, "timeout_ms: Input should be a valid integer"),
        ({"timeout_ms": True}, "timeout_ms: Input should be a valid integer"),
        ({"login": "yes"}, "login: Input should be a valid boolean"),
        ({"shell": "zsh"}, "shell: there is no such argument"),
        ({"command": "a\0b"}, "command: has a NUL character in it"),
        ({"command": "\ud800"}, "command: "),
        ({"command": "x" * 131_072}, "command: has 131072 bytes and at most 131071 are possible"),
        ({"workdir": "tmp"}, "workdir: must be an absolute path, and is 'tmp'"),
        ({"workdir": ""}, "workdir: must be an absolute path"),
        ({"workdir": "/no/such/folder"}, "workdir: /no/such/folder is not a directory that exists"),
        ({"workdir": "/etc/passwd"}, "workdir: /etc/passwd is not a directory that exists"),
        ({"workdir": "/\0"}, "workdir: "),
        ({"workdir": "/\ud800"}, "workdir: "),
    ],
)
def test_what_is_wrong_is_said_by_its_name(wrong, said):
    assert said in refused(**{"command": ":", "workdir": "/"} | wrong)


def test_everything_that_is_missing_is_said_at_once():
    assert refused() == "shell: command: is missing; workdir: is missing"


def request(**changes):
    fields: dict[str, Any] = {
        "file": "true",
        "argv": ("true",),
        "workdir": "/",
        "program": "/bin/true",
        "resolved": "/bin/true",
        "writable": lambda: False,
    }
    return ExecRequest(**fields | changes)


def result(*judged, count=None):
    ended = CommandResult(
        exit_code=3,
        timed_out=False,
        duration_s=1.25,
        judged=judged,
        judged_count=len(judged) if count is None else count,
    )
    return render_result(ended, Written("out", "err", "outerr"), ("look\nhere",))


def test_a_result_has_the_form_that_the_schema_promises(check_form):
    rendered = result(
        Judged(request=request(), decision=Run(), outcome=Run()),
        Judged(request=request(), decision=Escalate(), outcome=Escalate()),
        Judged(request=request(), decision=Escalate(), outcome=Run()),
        Judged(request=request(argv=("x", "\udcff")), decision=Deny("no"), outcome=Deny("no")),
    )
    check_form(rendered, describe("bash")["outputSchema"])
    assert rendered["duration"] == {"secs": 1, "nanos": 250_000_000}
    assert rendered["warnings"] == ["look\\nhere"]
    assert [(one["decision"], one["outside_sandbox"]) for one in rendered["judged"]] == [
        ("run", False),
        ("escalate", True),
        ("escalate", False),
        ("deny", False),
    ]
    assert rendered["judged"][3]["argv"] == ["x", "\\xff"]
    assert rendered["judged"][3]["reason"] == "no"


def test_what_was_judged_is_told_within_bounds():
    long = request(argv=("x" * 10_000,) * 1000)
    rendered = result(*[Judged(request=long, decision=Run(), outcome=Run())] * 1000, count=12_345)
    assert len(rendered["judged"]) == tool.JUDGED_SHOWN
    assert rendered["judged_count"] == 12_345
    assert rendered["judged"][0]["argv"][-1] == "[... 968 arguments ...]"
    assert len(str(rendered)) < 1_000_000


def test_a_path_that_the_sandboxed_side_made_up_is_told_within_bounds():
    path = "/" + "\1" * 2_500_000
    long = request(program=path, workdir=path)
    rendered = result(*[Judged(request=long, decision=Run(), outcome=Run())] * 1000)
    assert len(str(rendered)) < 3_000_000
