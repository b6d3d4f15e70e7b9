"""What a denied pattern matches when a sandbox starts.

`*`, `?` and `[…]` stay within a name, `**` stands for any number of folders. Looks at a bounded part of the tree, and
an error says where that was not enough.
"""

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.grants import DeniedPattern
from shelltool.sandbox.paths import join

SCAN_LIMIT = 50_000
SCAN_DEPTH = 32
ANY_FOLDERS = "**"


def matches(denied: DeniedPattern) -> Iterator[str]:
    """Find what is there now; whatever is in a matching folder goes with it."""
    wanted = denied.pattern.split("/")
    depth = min(denied.depth or SCAN_DEPTH, SCAN_DEPTH)
    seen = 0
    for folder, folders, files in os.walk(denied.base):
        above = [] if folder == denied.base else os.path.relpath(folder, denied.base).split("/")
        seen += len(folders) + len(files)
        if seen > SCAN_LIMIT:
            raise SandboxPlanError(
                f"{denied.base}: too large to search for {denied.pattern}; set glob_scan_max_depth"
            )
        found = [name for name in (*folders, *files) if fits([*above, name], wanted)]
        yield from (join(folder, name) for name in found)
        deeper = len(above) + 1 < depth
        folders[:] = sorted(set(folders) - set(found)) if deeper else []


def fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether the parts of a path match the parts of a pattern, in time linear in both."""
    states = _with_skips({0}, wanted)
    for part in parts:
        reached = {
            state if wanted[state] == ANY_FOLDERS else state + 1
            for state in states
            if state < len(wanted) and (wanted[state] == ANY_FOLDERS or fnmatchcase(part, wanted[state]))
        }
        states = _with_skips(reached, wanted)
    return len(wanted) in states


def _with_skips(states: set[int], wanted: Sequence[str]) -> set[int]:
    """Add the states behind each `**`, which may stand for nothing."""
    for first in sorted(states):
        state = first
        while state < len(wanted) and wanted[state] == ANY_FOLDERS and state + 1 not in states:
            state += 1
            states.add(state)
    return states
