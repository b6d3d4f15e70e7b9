"""What the messages about processes do not take."""

import pytest
from pydantic import ValidationError

from shelltool.exec_server.processes.messages import (
    EnvironmentPolicy,
    ResizeProcess,
    TerminateProcess,
    WriteProcess,
)

POLICY = {"inherit": "all", "ignoreDefaultExcludes": False, "exclude": [], "set": {}, "includeOnly": []}


def test_what_is_remembered_of_a_write_is_short():
    write = {"processId": "p", "chunk": ""}
    assert WriteProcess.model_validate({**write, "writeId": "x" * 128}).write_id == "x" * 128
    with pytest.raises(ValidationError, match="at most 128 characters"):
        WriteProcess.model_validate({**write, "writeId": "x" * 129})


@pytest.mark.parametrize("member", ["exclude", "includeOnly"])
def test_what_every_variable_is_held_against_is_little(member):
    EnvironmentPolicy.model_validate({**POLICY, member: ["*" * 256] * 256})
    for patterns in (["*"] * 257, ["*" * 257]):
        with pytest.raises(ValidationError, match="at most 256"):
            EnvironmentPolicy.model_validate({**POLICY, member: patterns})


@pytest.mark.parametrize(
    ("model", "member", "least", "most"),
    [
        (TerminateProcess, "graceMs", 0, 60_000),
        (ResizeProcess, "rows", 1, 65_535),
        (ResizeProcess, "columns", 1, 65_535),
    ],
)
def test_numbers_have_bounds(model, member, least, most):
    given = {"processId": "p", "rows": 1, "columns": 1}
    for value in (least, most):
        model.model_validate({**given, member: value})
    for value in (least - 1, most + 1):
        with pytest.raises(ValidationError):
            model.model_validate({**given, member: value})
