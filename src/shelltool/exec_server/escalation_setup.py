"""What `--shell-escalation` needs: our shells, the wrapper, the keeper and the rules, found and tried at the start."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shelltool.environment import without_credentials
from shelltool.escalation.native import default_keeper
from shelltool.exec_server.processes.interception import INTERCEPTIONS_MAX, Interceptor
from shelltool.rules.in_force import RulesInForce
from shelltool.shells import WRAPPER, check_intercepts, find_program, find_shell

PATCHED = {"bash": "bash", "sh": "bash", "dash": "bash", "zsh": "zsh"}
"""Which of ours runs what a client asks for; under its name, bash is as strict as it is as `sh`."""


def make_interceptor(report: Callable[[str], None]) -> Interceptor:
    """Find everything; a `ShellToolError` says what is missing. `report` gets lines about rules that can't be read."""
    found: dict[str, Path] = {name: find_shell(name) for name in sorted(set(PATCHED.values()))}
    for shell in found.values():
        check_intercepts(shell)
    return Interceptor(
        shells={name: str(found[ours]) for name, ours in PATCHED.items()},
        wrapper=str(find_program(WRAPPER)),
        keeper=default_keeper(),
        rules=RulesInForce(report=report),
        environment=without_credentials(os.environ),
        threads=ThreadPoolExecutor(INTERCEPTIONS_MAX, thread_name_prefix="interception"),
    )
