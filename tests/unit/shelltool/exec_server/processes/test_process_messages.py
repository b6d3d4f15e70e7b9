"""What the messages about processes do not take."""

import pytest
from pydantic import ValidationError

from shelltool.exec_server.processes.messages import EnvironmentPolicy, WriteProcess

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
