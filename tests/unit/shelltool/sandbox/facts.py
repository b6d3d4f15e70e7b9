"""Facts for plans, as if somebody had looked: a tree written down as a mapping of paths to what stands there."""

from collections.abc import Iterable, Mapping

from shelltool.sandbox.grants import Access, Grants
from shelltool.sandbox.locate import Kind, Link, Located
from shelltool.sandbox.paths import is_below, join, parent, upwards
from shelltool.sandbox.survey import PROTECTED_NAMES, Facts, Protected

Tree = Mapping[str, str]
"""`dir`, `file`, or `-> target`; folders above are there by themselves."""


def located(tree: Tree, path: str) -> Located:
    """Follow a path in a tree; at most one link, which is absolute."""
    for step in reversed([*upwards(path)]):
        what = tree.get(step, "")
        if what.startswith("-> "):
            found = located(tree, what[3:] + path[len(step) :])
            return Located(found.real, found.kind, (Link(step, what[3:]), *found.links), found.missing)
        if not _exists(tree, step):
            return Located(path, Kind.ABSENT, (), step)
    return Located(path, _kind(tree, path))


def facts(
    grants: Grants, tree: Tree, *, hidden: Iterable[str] = (), targets: Mapping[str, str] | None = None
) -> Facts:
    """Survey a tree for a policy."""
    paths = [grant.path for grant in grants.grants]
    roots = {located(tree, grant.path).real for grant in grants.grants if grant.access is Access.WRITE} - {
        "/"
    }
    folders = sorted(root for root in roots if _kind(tree, root) is Kind.FOLDER)
    protected = tuple(
        Protected(
            root=root,
            name=name,
            kind=_kind(tree, join(root, name)),
            targets=tuple(located(tree, t) for p, t in (targets or {}).items() if p == join(root, name)),
        )
        for root in folders
        for name in PROTECTED_NAMES
    )
    return Facts(
        located={path: located(tree, path) for path in (*paths, *grants.shielded)},
        protected=protected,
        children={item.root: children(tree, item.root) for item in protected if item.kind is Kind.LINK},
        hidden=tuple(located(tree, path) for path in hidden),
    )


def children(tree: Tree, folder: str) -> tuple[tuple[str, Kind], ...]:
    """List a folder of a tree."""
    names = {path[len(folder.rstrip("/")) + 1 :].split("/")[0] for path in tree if is_below(path, folder)}
    return tuple(sorted((name, _kind(tree, join(folder, name))) for name in names))


def _exists(tree: Tree, path: str) -> bool:
    return path == "/" or path in tree or any(is_below(other, path) for other in tree)


def _kind(tree: Tree, path: str) -> Kind:
    what = tree.get(path)
    if what is None:
        return Kind.FOLDER if _exists(tree, path) and path not in tree else Kind.ABSENT
    if what.startswith("-> "):
        return Kind.LINK
    return Kind.FOLDER if what == "dir" else Kind.FILE


__all__ = ["Tree", "children", "facts", "located", "parent"]
