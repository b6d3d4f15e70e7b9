"""What a client is asked about a command: as exact as JSON can be, whatever the script chose."""

import json
import os

from shelltool.exec_server import envelope
from shelltool.exec_server.processes.interception import _question
from shelltool.rules.judging import Approval


def test_bytes_that_are_not_text_are_shown():
    odd = os.fsdecode(b"\xff\xc3\xbc")
    approval = Approval(
        program=f"/{odd}", argv=("rm", odd), workdir=f"/w{odd}", place="inside", why=f"because of {odd}"
    )
    asked = json.loads(envelope.request("1", "exec/approve", _question("p", approval)))["params"]
    assert (asked["program"], asked["argv"]) == ("/\\xff\u00fc", ["rm", "\\xff\u00fc"])
    assert (asked["cwd"], asked["reason"]) == ("file:///w%FF%C3%BC", "because of \\xff\u00fc")
