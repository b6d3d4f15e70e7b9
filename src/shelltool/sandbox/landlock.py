"""Plans as rules of Landlock, set by `codex-linux-sandbox` together with the system call filter.

Landlock can only add rights on the way down a tree. So where something inside a folder has fewer rights than the
folder, the folder gets those of the least, and what is in it now gets rules of its own: nothing new can be created
there. Rendering is pure but for the listing of such folders, which is passed in.
https://docs.kernel.org/userspace-api/landlock.html
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from shelltool.errors import SandboxUnavailableError
from shelltool.sandbox.engine import Engine
from shelltool.sandbox.grants import Access
from shelltool.sandbox.locate import Kind
from shelltool.sandbox.paths import is_at_or_below, is_below, join, outermost_first
from shelltool.sandbox.plan import Op, OpKind, SandboxPlan
from shelltool.sandbox.survey import list_folder

Listing = Callable[[str], Sequence[tuple[str, Kind]]]

OLDEST_ABI = 3
SCOPED_ABI = 6
"""From here on, signals and abstract sockets stay inside."""
RULE_LIMIT = 4096
"""The helper's own."""
DEVICES = ("full", "null", "random", "tty", "urandom", "zero")

ALWAYS_LIMITED = (
    "nothing can be created, removed or renamed directly in a writable folder, only in the folders inside it",
    "protected names that do not exist yet are not protected in folders for temporary files",
    "modes, owners, times and attributes of the user's files outside the writable folders can be changed",
    "other processes of this machine can be seen, and slowed down; System V IPC and POSIX message queues are shared",
    "no new pseudo-terminals, no /dev/shm; nothing is ended when the command ends, but by whoever started it",
)


class Level(IntEnum):
    """What may be done at a path."""

    NONE = 0
    READ = 1
    WRITE = 2


_LEVELS = {
    OpKind.READABLE: Level.READ,
    OpKind.PROTECTED: Level.READ,
    OpKind.RESERVED: Level.READ,
    OpKind.WRITABLE: Level.WRITE,
    OpKind.PINNED: Level.WRITE,
    OpKind.HIDDEN_FOLDER: Level.NONE,
    OpKind.HIDDEN_FILE: Level.NONE,
}


@dataclass(frozen=True, kw_only=True)
class Landlock(Engine):
    """Landlock and seccomp, without namespaces."""

    name: str = "landlock"
    helper: str
    listing: Listing = list_folder

    @property
    def programs(self) -> tuple[str, ...]:
        """The helper."""
        return (self.helper,)

    def prefix(self, plan: SandboxPlan, *, cwd: str, arg0: str | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """Give the helper's command line up to the command; the working folder is that of the process."""
        rules = list(render(plan, self.listing))
        if len(rules) > RULE_LIMIT:
            raise SandboxUnavailableError(
                f"the sandbox would need {len(rules)} rules; {RULE_LIMIT} are possible"
            )
        return (
            self.helper,
            *("--network", "on" if plan.network else "off"),
            *(() if arg0 is None else ("--argv0", arg0)),
            *("--landlock", *(word for rule in rules for word in rule), "--"),
        )


def limitations(abi: int) -> tuple[str, ...]:
    """Say what Landlock can't do in this kernel."""
    by_version = (
        (4, "connecting and listening by TCP is refused by the system call filter alone"),
        (5, "device files that can be read can be controlled (ioctl)"),
        (
            SCOPED_ABI,
            "signals can be sent to every process of the same user, datagrams to abstract local sockets",
        ),
    )
    return (*ALWAYS_LIMITED, *(text for version, text in by_version if abi < version))


def render(plan: SandboxPlan, listing: Listing) -> Iterator[tuple[str, str]]:
    """Give the rules of a plan as pairs of an option and a path."""
    ops = [op for op in plan.ops if op.kind in _LEVELS and not (op.soft and op.kind is OpKind.RESERVED)]
    level = {None: Level.NONE, Access.READ: Level.READ, Access.WRITE: Level.WRITE}.get(plan.root, Level.NONE)
    if level is Level.READ:
        # Terminals and disks of the user's are no business of the sandbox's.
        ops = sorted([*ops, Op(OpKind.HIDDEN_FOLDER, "/dev")], key=lambda op: outermost_first(op.path))
    lists = not plan.paths(OpKind.HIDDEN_FOLDER)
    yield from _Carving(ops, listing, lists=lists).rules("/", level)
    if plan.private_dev:
        present = {name for name, _ in listing("/dev")}
        yield ("--list", "/dev")
        yield from (("--device", join("/dev", name)) for name in DEVICES if name in present)


@dataclass(frozen=True, slots=True)
class _Carving:
    ops: Sequence[Op]
    listing: Listing
    lists: bool
    """Whether the names in a folder may be seen where something in it is hidden."""

    def rules(self, path: str, level: Level) -> Iterator[tuple[str, str]]:
        """Give the rules for `path`, where `level` holds unless an operation inside says otherwise."""
        inside = [op for op in self.ops if is_below(op.path, path)]
        floor = min([level, *(_LEVELS[op.kind] for op in inside)])
        yield from self._own(path, floor, level)
        if floor == level:
            for op in self._outermost(inside):
                yield from self.rules(op.path, _LEVELS[op.kind])
            return
        for name, kind in self.listing(path):
            child = join(path, name)
            own = next((op for op in self.ops if op.path == child), None)
            if own is not None or any(is_below(op.path, child) for op in inside):
                yield from self.rules(child, level if own is None else _LEVELS[own.kind])
            elif kind is not Kind.LINK:
                yield from self._own(child, level, level)

    def _own(self, path: str, floor: Level, level: Level) -> Iterator[tuple[str, str]]:
        if floor is Level.NONE and level is not Level.NONE and self.lists:
            yield ("--list", path)
        elif floor is not Level.NONE:
            yield ("--write" if floor is Level.WRITE else "--read", path)

    def _outermost(self, inside: Sequence[Op]) -> list[Op]:
        found: list[Op] = []
        for op in inside:
            if not any(is_at_or_below(op.path, other.path) for other in found):
                found.append(op)
        return found
