"""200 observed cases of the reference program's `execpolicy check`: same stdout, same status, same sentence.

Each case writes its rules files and runs our command line on them, child processes included. Sentences that the
library can't give are listed with reasons in `execpolicy_differences.toml`.
"""

import base64
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from shelltool.execpolicy.cli import main

HERE = Path(__file__).parent
SRC = HERE.parents[1] / "src"
CASES = {
    case["name"]: case for case in json.loads((HERE / "execpolicy_cases.json").read_text(encoding="utf-8"))
}
DIFFERENCES = tomllib.loads((HERE / "execpolicy_differences.toml").read_text(encoding="utf-8"))


@pytest.fixture
def arguments(request, tmp_path, monkeypatch):
    case = CASES[request.param]
    monkeypatch.chdir(tmp_path)
    options = []
    for file in case["files"]:
        content = file["text"].encode() if "text" in file else base64.b64decode(file["bytes_b64"])
        Path(file["name"]).write_bytes(content)
        options += ["--rules", file["name"]]
    return ["check", *options, *case["args"], *case["command"]]


@pytest.mark.parametrize(("name", "arguments"), [(name, name) for name in CASES], indirect=["arguments"])
def test_the_observed_answer_is_given(name, arguments):
    case = CASES[name]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (case["status"], case.get("stdout", ""))
    if "sentence" in case:
        sentences = sentences_in(result.stderr)
        difference = DIFFERENCES.get(name)
        assert (case["sentence"] in sentences) == (difference is None)
        assert difference is None or any(sentence.startswith(difference["ours"]) for sentence in sentences)


def sentences_in(stderr):
    """Lines of the report without what marks them as the error."""
    lines = (line.strip().removeprefix("starlark error: ") for line in stderr.split("\n"))
    return [line.removeprefix("error: ").removeprefix("Error: ") for line in lines]


def test_sentences_that_differ_are_known_and_have_a_reason(capsys):
    assert DIFFERENCES.keys() <= CASES.keys()
    assert all(difference["reason"] for difference in DIFFERENCES.values())
    with capsys.disabled():
        sys.stdout.write(f"\n{len(CASES)} cases; {len(DIFFERENCES)} differ in their error sentence only:\n")
        for name, difference in DIFFERENCES.items():
            sys.stdout.write(f"  {name}: {difference['reason']}\n")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        (name, name)
        for name in ("output/pretty-match", "justification/unicode-and-escapes", "starlark-error/fail")
    ],
    indirect=["arguments"],
)
def test_the_installed_program_gives_the_same_bytes_whatever_the_locale(name, arguments):
    program = [sys.executable, "-c", "from shelltool.execpolicy.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(SRC), "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run(program, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == CASES[name]["status"]
    assert done.stdout == CASES[name].get("stdout", "").encode()
