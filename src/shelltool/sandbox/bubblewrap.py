"""Plans as a command line of bubblewrap, started through `codex-linux-sandbox`.

Rendering is pure. bubblewrap makes the namespaces and mounts; our helper gives it the system call filter, keeps names
from being created, takes the environment round it and adds Landlock inside (`native/linux_sandbox_bubblewrap.h`).
https://github.com/containers/bubblewrap
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shelltool.sandbox.engine import Engine
from shelltool.sandbox.grants import Access
from shelltool.sandbox.paths import is_below
from shelltool.sandbox.plan import Op, OpKind, SandboxPlan

NO_ACCESS = "0000"
PASSAGE = "0555"


@dataclass(frozen=True, kw_only=True)
class Bubblewrap(Engine):
    """Namespaces and mounts by bubblewrap, seccomp, and Landlock where the kernel has it."""

    name: str = "bubblewrap"
    helper: str
    bwrap: str
    landlock: bool = True

    @property
    def programs(self) -> tuple[str, ...]:
        """The helper and bubblewrap itself."""
        return (self.helper, self.bwrap)

    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:
        """Give the helper's command line up to the command."""
        words = [self.bwrap, *render(plan, cwd=cwd)]
        return (
            self.helper,
            *("--network", "on" if plan.network else "off"),
            *(() if arg0 is None else ("--argv0", arg0)),
            *(_landlock(plan) if self.landlock else ()),
            *(word for path in plan.paths(OpKind.RESERVED) for word in ("--placeholder", path)),
            *("--bubblewrap", str(len(words)), *words, "--"),
        )


def render(plan: SandboxPlan, *, cwd: str) -> list[str]:
    """Give bubblewrap's options for a plan."""
    return [
        "--die-with-parent",
        *(f"--unshare-{namespace}" for namespace in plan.unshare),
        *("--cap-drop", "ALL"),
        *_root(plan),
        *(word for op in plan.ops for word in _mount(op, plan)),
        *(word for path in _read_only_at_last(plan) for word in ("--remount-ro", path)),
        *("--chdir", cwd),
    ]


def _root(plan: SandboxPlan) -> Iterator[str]:
    if plan.root is Access.READ:
        yield from ("--ro-bind", "/", "/")
    elif plan.root is Access.WRITE:
        yield from ("--bind", "/", "/")
    if plan.private_dev:
        # Nothing can be created in /dev, where it would be lost without a word; shared memory is there to be lost.
        yield from ("--dev", "/dev", "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108 - the sandbox's own
    if plan.private_proc:
        # Read-only: root needs no capability to change settings of the whole machine in /proc/sys.
        yield from ("--proc", "/proc", "--remount-ro", "/proc")


def _mount(op: Op, plan: SandboxPlan) -> tuple[str, ...]:
    match op.kind:
        case OpKind.WRITABLE | OpKind.PINNED:
            return ("--bind", op.path, op.path)
        case OpKind.READABLE | OpKind.PROTECTED | OpKind.RESERVED:
            return ("--ro-bind", op.path, op.path)
        case OpKind.HIDDEN_FOLDER:
            used = any(is_below(other.path, op.path) for other in plan.ops)
            return ("--perms", PASSAGE if used else NO_ACCESS, "--tmpfs", op.path)
        case OpKind.HIDDEN_FILE:
            # A device on a mount without devices: opening it fails with EACCES.
            return ("--ro-bind", "/dev/null", op.path)
        case OpKind.LINK:
            return ("--symlink", op.target, op.path)


def _read_only_at_last(plan: SandboxPlan) -> Iterator[str]:
    """Find what bubblewrap fills with mount points first, and what takes no writes after that."""
    yield from plan.paths(OpKind.HIDDEN_FOLDER)
    if plan.root is None:
        yield "/"


def _landlock(plan: SandboxPlan) -> Iterator[str]:
    yield "--landlock"
    for path in plan.paths(OpKind.WRITABLE):
        yield from ("--write", path)
    if plan.root is Access.WRITE:
        yield from ("--write", "/")
