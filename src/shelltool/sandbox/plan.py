"""What a sandbox consists of: from what a policy grants and what stands at its paths to a list of operations.

Pure: the same grants and facts give the same plan, and nothing is looked at. The engines render plans, and
`writable` answers questions about them. Operations are in the order in which mounts are made, folders before what is
in them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.grants import Access, Grants
from shelltool.sandbox.locate import Kind, Link, Located
from shelltool.sandbox.paths import join, outermost_first, parent, upwards
from shelltool.sandbox.survey import PROTECTED_NAMES, Facts, Protected


class OpKind(Enum):
    """What happens at a path."""

    READABLE = "readable"
    WRITABLE = "writable"
    PINNED = "pinned"
    """Can be written, but not be renamed or removed, because of what is protected inside."""
    PROTECTED = "protected"
    """Can be read only, though what it is in can be written."""
    RESERVED = "reserved"
    """Does not exist, and can't be created."""
    HIDDEN_FOLDER = "hidden folder"
    HIDDEN_FILE = "hidden file"
    LINK = "link"
    """A symbolic link to what can be read, where the folder that it is in can't be."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `soft`: an engine that can't do it may leave it out and say so."""

    kind: OpKind
    path: str
    soft: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPlan:
    """All of a sandbox."""

    confined: bool = True
    root: Access | None = None
    """What may be done where no operation says otherwise; None: nothing is there."""
    ops: tuple[Op, ...] = ()
    network: bool = False
    private_dev: bool = True
    private_proc: bool = True
    unshare: tuple[str, ...] = ("user", "pid", "ipc", "net")
    seccomp: bool = True
    notes: tuple[str, ...] = ()
    """What whoever asked for the sandbox may not expect."""

    def paths(self, *kinds: OpKind) -> tuple[str, ...]:
        """Give the paths of some kinds of operations."""
        return tuple(op.path for op in self.ops if op.kind in kinds)


NO_SANDBOX = SandboxPlan(
    confined=False,
    root=Access.WRITE,
    network=True,
    private_dev=False,
    private_proc=False,
    unshare=(),
    seccomp=False,
)


@dataclass(frozen=True, slots=True)
class _Rule:
    access: Access
    kind: Kind
    soft: bool = False


@dataclass(slots=True)
class _Draft:
    """Rules by resolved path, while they are being put together."""

    rules: dict[str, _Rule] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def access(self, path: str) -> Access | None:
        """Tell what the nearest rule says about a path."""
        return next((self.rules[p].access for p in upwards(path) if p in self.rules), None)

    def is_writable(self, path: str) -> bool:
        return self.access(path) is Access.WRITE


def make_plan(grants: Grants, facts: Facts) -> SandboxPlan:
    """Turn what a policy grants into operations; SandboxPlanError where it can't be enforced."""
    if not grants.confined:
        return NO_SANDBOX
    draft = _Draft()
    _add_grants(draft, grants, facts.located)
    _refuse_links_of_the_sandbox(draft, grants, facts.located)
    _protect_names(draft, grants, facts)
    for located in facts.hidden:
        draft.rules[located.missing or located.real] = _Rule(Access.DENY, located.kind)
    for path in grants.shielded:
        place = facts.located[path]
        if draft.is_writable(place.missing or place.real):
            draft.rules[place.missing or place.real] = _Rule(Access.READ, place.kind)
    _refuse_links_to_what_is_shielded(draft, grants, facts.located)
    root = draft.rules.get("/")
    return SandboxPlan(
        root=None if root is None or root.access is Access.DENY else root.access,
        ops=_operations(draft, _visible_links(draft, grants, facts.located)),
        network=grants.network,
        unshare=("user", "pid", "ipc") if grants.network else ("user", "pid", "ipc", "net"),
        notes=tuple(draft.notes),
    )


def _add_grants(draft: _Draft, grants: Grants, located: Mapping[str, Located]) -> None:
    for grant in grants.grants:
        place = located[grant.path]
        if place.missing is not None and (grant.optional or grant.access is Access.WRITE):
            if not grant.optional:
                draft.notes.append(f"{grant.path} does not exist, so it can't be written")
            continue
        path = place.missing or place.real
        known = draft.rules.get(path)
        if known is None or grant.access > known.access:
            draft.rules[path] = _Rule(grant.access, place.kind)
    if draft.is_writable("/"):
        draft.notes.append("everything can be written, because / can be")


def _refuse_links_of_the_sandbox(draft: _Draft, grants: Grants, located: Mapping[str, Located]) -> None:
    """Refuse a path that leads through a link which a sandboxed command could have put there."""
    for grant in grants.grants:
        for link in _replaceable(draft, located[grant.path].links):
            raise SandboxPlanError(
                f"{grant.path} leads through the link {link.path}, which sandboxed commands can replace;"
                " name the folder itself"
            )


def _refuse_links_to_what_is_shielded(draft: _Draft, grants: Grants, located: Mapping[str, Located]) -> None:
    """Refuse to run where a command could put something of its own in place of what we run or obey outside."""
    for path in grants.shielded:
        for link in _replaceable(draft, located[path].links):
            raise SandboxPlanError(
                f"{path}, which is used outside the sandbox, leads through the link {link.path}, which sandboxed"
                f" commands can replace; use {located[path].real} by that path, or let {parent(link.path)} not be written"
            )


def _replaceable(draft: _Draft, links: tuple[Link, ...]) -> Iterator[Link]:
    if not draft.is_writable("/"):
        yield from (link for link in links if draft.is_writable(parent(link.path)))


def _protect_names(draft: _Draft, grants: Grants, facts: Facts) -> None:
    explicit = frozenset(draft.rules)
    lasting = {
        facts.located[g.path].real for g in grants.grants if g.access is Access.WRITE and not g.scratch
    }
    for item in facts.protected:
        if not draft.is_writable(item.root) and item.root not in draft.frozen:
            continue
        if item.kind is Kind.LINK and item.path not in explicit:
            _freeze(draft, item, facts.children[item.root])
        elif item.path not in explicit and (item.kind is not Kind.ABSENT or item.creatable):
            soft = item.kind is Kind.ABSENT and item.root not in lasting
            draft.rules[item.path] = _Rule(Access.READ, item.kind, soft)
        for target in item.targets:
            _protect_target(draft, target, explicit)


def _freeze(draft: _Draft, item: Protected, children: tuple[tuple[str, Kind], ...]) -> None:
    """Let nothing be created, removed or renamed in a folder: a link in it can't be protected by itself."""
    if item.root in draft.frozen:
        return
    draft.frozen.add(item.root)
    draft.notes.append(
        f"{item.path} is a link, so nothing can be created in, removed from or renamed in {item.root} itself"
    )
    draft.rules[item.root] = _Rule(Access.READ, Kind.FOLDER)
    for name, kind in children:
        if kind is not Kind.LINK and name not in PROTECTED_NAMES:
            draft.rules.setdefault(join(item.root, name), _Rule(Access.WRITE, kind))


def _protect_target(draft: _Draft, target: Located, explicit: frozenset[str]) -> None:
    for link in target.links:
        folder = parent(link.path)
        if draft.is_writable(folder):
            raise SandboxPlanError(
                f"{link.path} is a link on the way to a repository, and sandboxed commands can replace it"
            )
    path = target.missing or target.real
    if draft.is_writable(path) and path not in explicit:
        draft.rules[path] = _Rule(Access.READ, target.kind)


def _visible_links(draft: _Draft, grants: Grants, located: Mapping[str, Located]) -> list[Link]:
    links = (link for grant in grants.grants for link in located[grant.path].links)
    return [link for link in links if draft.access(parent(link.path)) in {None, Access.DENY}]


def _operations(draft: _Draft, links: list[Link]) -> tuple[Op, ...]:
    ops = {link.path: Op(OpKind.LINK, link.path, target=link.target) for link in links}
    for path in sorted(draft.rules, key=outermost_first):
        if path == "/":
            continue
        op = _operation(path, draft.rules[path], draft.access(parent(path)))
        if op is not None:
            ops[path] = op
    for op in [*ops.values()]:
        for pinned in _pins(op, draft, ops):
            ops[pinned] = Op(OpKind.PINNED, pinned)
    return tuple(ops[path] for path in sorted(ops, key=outermost_first))


def _operation(path: str, rule: _Rule, outer: Access | None) -> Op | None:
    """Say what has to happen at a path, given what holds in the folder that it is in."""
    outside_writable = outer is Access.WRITE
    if rule.kind is Kind.ABSENT:
        return Op(OpKind.RESERVED, path, soft=rule.soft) if outside_writable else None
    match rule.access:
        case Access.WRITE:
            return None if outside_writable else Op(OpKind.WRITABLE, path)
        case Access.READ if outside_writable:
            return Op(OpKind.PROTECTED, path)
        case Access.READ:
            return None if outer is Access.READ else Op(OpKind.READABLE, path)
        case Access.DENY:
            if outer in {None, Access.DENY}:
                return None
            return Op(OpKind.HIDDEN_FOLDER if rule.kind is Kind.FOLDER else OpKind.HIDDEN_FILE, path)


def _pins(op: Op, draft: _Draft, ops: Mapping[str, Op]) -> Iterator[str]:
    """Find the folders between something protected and the mount that it is in."""
    if op.kind in {OpKind.WRITABLE, OpKind.READABLE, OpKind.LINK}:
        return
    for folder in upwards(parent(op.path)):
        if folder in ops or folder == "/" or not draft.is_writable(folder):
            return
        yield folder
