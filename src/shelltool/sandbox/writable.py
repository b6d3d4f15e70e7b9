"""Whether a sandboxed process could have written a file.

The escalation side asks before a rule that names a program by its basename takes it out of the sandbox. An answer
"no" is a promise, so every doubt is a "yes". Looks at the file as it is now, in the mount namespace of the caller.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.grants import Access
from shelltool.sandbox.locate import locate
from shelltool.sandbox.paths import is_at_or_below, normalized, parent
from shelltool.sandbox.plan import OpKind, SandboxPlan

_WRITABLE = {OpKind.WRITABLE, OpKind.PINNED, OpKind.RESERVED}
"""Reserved: not every engine can, and what is there now was not when the plan was made."""
UNSTABLE = ("/proc", "/dev")
"""What is there differs between the sandbox and us."""


def could_write(*plans: SandboxPlan) -> Callable[[Path], bool]:
    """Give a session's question: whether anything under one of these plans could create, replace or change a path."""
    return lambda path: any(could_have_written(plan, os.fspath(path)) for plan in plans)


def could_have_written(plan: SandboxPlan, path: str) -> bool:
    """Tell whether a process under a plan could have created, replaced or changed what a path leads to."""
    if not plan.confined or not path.startswith("/"):
        return True
    # What is in a folder that can't be written can't be moved with a folder around it either: plans pin those.
    try:
        place = locate(path)
    except (SandboxPlanError, OSError):
        return True
    touched = {
        place.real,
        place.missing or place.real,
        normalized(path),
        *(link.path for link in place.links),
    }
    touched |= {parent(folder) for folder in place.left}  # where its name could be given to a link
    if any(_is_unstable(each) or is_writable(plan, each) for each in touched):
        return True
    return place.missing is None and _has_writable_twin(plan, place.real)


def open_file_could_have_been_written(plan: SandboxPlan, fd: int) -> bool:
    """Tell the same of a file that is open, by the name that it has now."""
    try:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        named = path.lstat()
    except OSError:
        return True
    return not os.path.samestat(named, os.fstat(fd)) or could_have_written(plan, str(path))


def is_writable(plan: SandboxPlan, path: str) -> bool:
    """Tell what a plan says about a resolved path, by its text alone."""
    if not plan.confined:
        return True
    nearest = max(
        (op for op in plan.ops if is_at_or_below(path, op.path)), key=lambda op: len(op.path), default=None
    )
    return plan.root is Access.WRITE if nearest is None else nearest.kind in _WRITABLE


def _is_unstable(path: str) -> bool:
    return any(is_at_or_below(path, folder) for folder in UNSTABLE)


def _has_writable_twin(plan: SandboxPlan, path: str) -> bool:
    """Tell whether the file may have another name (a hard link) where a plan lets it be written."""
    try:
        status = Path(path).lstat()
    except OSError:
        return True
    if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1 or not _may_write(status):
        return False
    return any(_device(op.path) in {status.st_dev, None} for op in plan.ops if op.kind is OpKind.WRITABLE)


def _may_write(status: os.stat_result) -> bool:
    """Tell whether the modes would let this user write; inside, there are no capabilities that override them."""
    if status.st_uid == os.geteuid():
        return True
    groups = {os.getegid(), *os.getgroups()}
    return bool(status.st_mode & stat.S_IWOTH) or (
        bool(status.st_mode & stat.S_IWGRP) and status.st_gid in groups
    )


def _device(path: str) -> int | None:
    try:
        return Path(path).stat().st_dev
    except OSError:
        return None
