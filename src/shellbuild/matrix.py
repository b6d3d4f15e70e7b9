"""The job matrix of the workflows, from `recipes/platforms.toml`, and the way results reach a workflow.

GitHub reads `name=value` lines from the file named by GITHUB_OUTPUT
(https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter).
"""

import json
import os
from pathlib import Path
from typing import Any

from shellbuild.errors import UsageError
from shellbuild.project import load_project


def job_matrix(system: str | None = None) -> dict[str, list[dict[str, str]]]:
    """Give one job a target, with the runner on which its binaries run natively; `system` keeps linux or macos."""
    rows = [row for row in load_project().platforms.values() if system in {None, row.os}]
    return {"include": [{"target": row.target, "runner": row.runner, "os": row.os} for row in rows]}


def hand_over(name: str, value: Any) -> None:
    """Append a value, as JSON in one line, to the outputs of the workflow's step."""
    outputs = os.environ.get("GITHUB_OUTPUT")
    if not outputs:
        raise UsageError("--output hands a value to a workflow's step, but GITHUB_OUTPUT is not set")
    with Path(outputs).open("a", encoding="utf-8") as stream:
        stream.write(f"{name}={json.dumps(value)}\n")
