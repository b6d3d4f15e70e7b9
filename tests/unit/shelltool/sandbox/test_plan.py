"""Plans: what is enforced where, for trees written down and for all kinds of nesting."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelltool.errors import SandboxPlanError
from shelltool.sandbox.bubblewrap import render as bubblewrap_options
from shelltool.sandbox.grants import UNCONFINED, Access, Grant, Grants
from shelltool.sandbox.landlock import render as landlock_rules
from shelltool.sandbox.paths import is_at_or_below, is_below, outermost_first, parent, upwards
from shelltool.sandbox.plan import NO_SANDBOX, Op, OpKind, SandboxPlan, make_plan
from shelltool.sandbox.writable import is_writable
from unit.shelltool.sandbox.facts import Tree, children, facts

READ, WRITE, DENY = Access.READ, Access.WRITE, Access.DENY
ROOT = Grant("/", READ)


def plan(
    *grants: Grant, tree: Tree, network: bool = False, shielded: tuple[str, ...] = (), **more
) -> SandboxPlan:
    all_grants = Grants(grants=grants, network=network, shielded=shielded)
    return make_plan(all_grants, facts(all_grants, tree, **more))


def ops(made: SandboxPlan) -> list[tuple[str, str]]:
    return [(op.kind.value, op.path) for op in made.ops]


def reserved(folder: str, *names: str) -> list[tuple[str, str]]:
    return [("reserved", f"{folder}/{name}") for name in names or (".agents", ".codex", ".git")]


def test_a_policy_that_confines_nothing_makes_no_sandbox():
    assert make_plan(UNCONFINED, facts(UNCONFINED, {})) == NO_SANDBOX
    assert not NO_SANDBOX.confined


def test_reading_everything_needs_no_operation():
    made = plan(ROOT, tree={})
    assert (made.root, made.ops, made.seccomp, made.private_dev, made.private_proc) == (
        READ,
        (),
        True,
        True,
        True,
    )


def test_the_network_has_a_namespace_of_its_own_unless_it_is_allowed():
    assert "net" in plan(ROOT, tree={}).unshare
    online = plan(ROOT, tree={}, network=True)
    assert "net" not in online.unshare
    assert online.network
    assert {"user", "pid", "ipc"} <= set(online.unshare)


def test_names_under_a_writable_folder_are_protected_where_they_are_and_reserved_where_not():
    made = plan(ROOT, Grant("/w", WRITE), tree={"/w/.git/config": "file", "/w/.codex": "file"})
    assert ops(made) == [
        ("writable", "/w"),
        ("reserved", "/w/.agents"),
        ("protected", "/w/.codex"),
        ("protected", "/w/.git"),
    ]


def test_reservations_are_soft_only_where_nothing_but_scratch_is():
    scratch = Grant("/t", WRITE, optional=True, scratch=True)
    tree = {"/t": "dir", "/w": "dir"}
    made = plan(ROOT, Grant("/w", WRITE), scratch, tree=tree)
    assert {op.path for op in made.ops if op.soft} == {"/t/.git", "/t/.codex", "/t/.agents"}
    assert not [op for op in plan(ROOT, Grant("/t", WRITE), scratch, tree=tree).ops if op.soft]


def test_nothing_is_reserved_where_nobody_could_create_it():
    grants = Grants(grants=(ROOT, Grant("/w", WRITE)))
    found = facts(grants, {"/w": "dir"})
    closed = replace(found, protected=tuple(replace(item, creatable=False) for item in found.protected))
    assert ops(make_plan(grants, closed)) == [("writable", "/w")]


def test_folders_around_something_protected_are_pinned():
    tree = {"/w/a/b/.git/config": "file", "/w/c": "dir"}
    made = plan(ROOT, Grant("/w", WRITE), Grant("/w/a/b", WRITE), tree=tree)
    assert ops(made) == [
        ("writable", "/w"),
        *reserved("/w"),
        ("pinned", "/w/a"),
        ("pinned", "/w/a/b"),
        *reserved("/w/a/b", ".agents", ".codex"),
        ("protected", "/w/a/b/.git"),
    ]


def test_the_most_specific_grant_wins_and_of_equals_the_stricter():
    tree = {"/w/a/b/c": "dir", "/w/d": "file"}
    made = plan(
        ROOT, Grant("/w", WRITE), Grant("/w/a", READ), Grant("/w/a/b", WRITE), Grant("/w/a", WRITE), tree=tree
    )
    assert is_writable(made, "/w/a/x")
    made = plan(ROOT, Grant("/w", WRITE), Grant("/w/a", READ), Grant("/w/a/b", WRITE), tree=tree)
    assert not is_writable(made, "/w/a/x")
    assert is_writable(made, "/w/a/b/c")
    made = plan(ROOT, Grant("/w", WRITE), Grant("/w/d", WRITE), Grant("/w/d", DENY), tree=tree)
    assert ("hidden file", "/w/d") in ops(made)


def test_an_explicit_grant_beats_the_protection_of_a_name():
    made = plan(ROOT, Grant("/w", WRITE), Grant("/w/.git", WRITE), tree={"/w/.git/config": "file"})
    assert is_writable(made, "/w/.git/config")
    assert not is_writable(made, "/w/.git/.git") or ("reserved", "/w/.git/.git") in ops(made)


def test_what_does_not_exist_and_may_not_be_written_is_reserved_by_its_first_missing_part():
    made = plan(ROOT, Grant("/w", WRITE), Grant("/w/a/b/c", READ), tree={"/w/a": "dir"})
    assert ("reserved", "/w/a/b") in ops(made)
    assert ("pinned", "/w/a") in ops(made)
    optional = plan(ROOT, Grant("/w", WRITE), Grant("/w/a/b/c", READ, optional=True), tree={"/w/a": "dir"})
    assert ("reserved", "/w/a/b") not in ops(optional)


def test_a_writable_folder_that_does_not_exist_is_left_out_and_said():
    made = plan(ROOT, Grant("/nowhere", WRITE), tree={})
    assert made.ops == ()
    assert made.notes == ("/nowhere does not exist, so it can't be written",)


def test_writing_everything_is_said():
    made = plan(Grant("/", WRITE), tree={})
    assert (made.root, made.ops) == (WRITE, ())
    assert made.notes == ("everything can be written, because / can be",)


def test_a_folder_in_which_a_protected_name_is_a_link_is_frozen():
    tree = {
        "/w/.git": "-> /w/store",
        "/w/store/config": "file",
        "/w/src/a": "file",
        "/w/link": "-> /etc",
        "/w/f": "file",
    }
    made = plan(ROOT, Grant("/w", WRITE), tree=tree, targets={"/w/.git": "/w/store"})
    assert ops(made) == [("writable", "/w/f"), ("writable", "/w/src")]
    assert "/w/.git is a link" in made.notes[0]


def test_a_frozen_folder_inside_a_writable_one_stays_frozen():
    tree = {"/t/w/.git": "-> /t/store", "/t/store/config": "file", "/t/w/src/a": "file"}
    grants = (ROOT, Grant("/t", WRITE, scratch=True), Grant("/t/w", WRITE))
    made = plan(*grants, tree=tree, targets={"/t/w/.git": "/t/store"})
    assert [op for op in ops(made) if "reserved" not in op] == [
        ("writable", "/t"),
        ("protected", "/t/store"),
        ("protected", "/t/w"),
        ("writable", "/t/w/src"),
    ]


def test_a_path_through_a_link_that_the_sandbox_could_replace_is_refused():
    tree = {"/w/link": "-> /etc", "/etc/x": "file"}
    with pytest.raises(SandboxPlanError, match="/w/link leads through the link /w/link"):
        plan(ROOT, Grant("/w", WRITE), Grant("/w/link", WRITE), tree=tree)
    with pytest.raises(SandboxPlanError):
        plan(ROOT, Grant("/w", WRITE), Grant("/w/link/x", DENY), tree=tree)


def test_a_path_through_a_link_that_the_sandbox_can_not_replace_leads_where_it_leads():
    made = plan(ROOT, Grant("/link", WRITE), tree={"/link": "-> /w", "/w/a": "file"})
    assert ops(made) == [("writable", "/w"), *reserved("/w")]


def test_where_not_everything_can_be_read_links_are_shown():
    made = plan(Grant("/bin", READ), tree={"/bin": "-> /usr/bin", "/usr/bin/sh": "file"})
    assert made.root is None
    assert made.ops == (Op(OpKind.LINK, "/bin", target="/usr/bin"), Op(OpKind.READABLE, "/usr/bin"))


def test_programs_of_ours_are_protected_wherever_they_are():
    tree = {"/w/venv/bin/helper": "file", "/usr/bin/bwrap": "file"}
    grants = (ROOT, Grant("/w", WRITE), Grant("/w/venv/bin/helper", WRITE))
    made = plan(*grants, tree=tree, shielded=("/w/venv/bin/helper", "/usr/bin/bwrap"))
    assert [op for op in ops(made) if "reserved" not in op] == [
        ("writable", "/w"),
        ("pinned", "/w/venv"),
        ("pinned", "/w/venv/bin"),
        ("protected", "/w/venv/bin/helper"),
    ]


def test_programs_of_ours_behind_a_link_that_the_sandbox_could_replace_are_refused():
    tree = {"/w/venv": "-> /opt/venv", "/opt/venv/bin/helper": "file"}
    with pytest.raises(
        SandboxPlanError, match=r"/w/venv/bin/helper, .* the link /w/venv, .* use /opt/venv/bin/helper"
    ):
        plan(ROOT, Grant("/w", WRITE), tree=tree, shielded=("/w/venv/bin/helper",))
    assert plan(ROOT, Grant("/w", READ), tree=tree, shielded=("/w/venv/bin/helper",))


def test_a_link_inside_of_what_is_protected_is_no_reason_to_refuse():
    tree = {"/w/venv/bin/python": "-> /usr/bin/python3", "/usr/bin/python3": "file"}
    made = plan(ROOT, Grant("/w", WRITE), tree=tree, shielded=("/w/venv", "/w/venv/bin/python"))
    assert ("protected", "/w/venv") in ops(made)


def test_what_we_would_trust_can_not_be_created_where_it_does_not_exist():
    made = plan(ROOT, Grant("/w", WRITE), tree={"/w": "dir"}, shielded=("/w/home/rules",))
    assert ("reserved", "/w/home") in ops(made)


def test_what_matched_a_pattern_is_hidden():
    tree = {"/w/a/.env": "file", "/w/keys/one": "file"}
    made = plan(ROOT, Grant("/w", WRITE), tree=tree, hidden=("/w/a/.env", "/w/keys"))
    assert {("hidden file", "/w/a/.env"), ("hidden folder", "/w/keys"), ("pinned", "/w/a")} < set(ops(made))


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
GRANTS = st.lists(st.tuples(PATHS, st.sampled_from(list(Access))), max_size=7)
TREES = st.dictionaries(PATHS, st.just("dir"), min_size=1, max_size=12)


def model(grants: list[Grant], path: str) -> Access | None:
    """Say what the most specific grant says; of equals the strictest."""
    for folder in upwards(path):
        here = [grant.access for grant in grants if grant.path == folder]
        if here:
            return max(here)
    return None


def existing(tree: Tree) -> set[str]:
    return {folder for path in tree for folder in upwards(path)}


def drawn(rules, tree, root: Access | None) -> tuple[list[Grant], SandboxPlan, set[str]]:
    there = existing(tree)
    grants = [Grant(path, access, optional=True) for path, access in rules if path in there]
    if root is not None:
        grants.append(Grant("/", root))
    return grants, plan(*grants, tree=tree), there


ROOTS = st.sampled_from([READ, WRITE, None])


@given(GRANTS, TREES, ROOTS)
def test_a_plan_allows_writing_exactly_what_the_grants_say(rules, tree, root):
    grants, made, there = drawn(rules, tree, root)
    for path in there:
        assert is_writable(made, path) == (model(grants, path) is WRITE), (path, made.ops)


@given(GRANTS, TREES, ROOTS)
def test_operations_come_in_the_order_of_mounts_and_once_for_each_path(rules, tree, root):
    _, made, _ = drawn(rules, tree, root)
    paths = [op.path for op in made.ops]
    assert paths == sorted(set(paths), key=outermost_first)


@given(GRANTS, TREES, ROOTS)
def test_whatever_is_protected_can_not_be_moved_with_a_folder_around_it(rules, tree, root):
    grants, made, _ = drawn(rules, tree, root)
    places = {op.path for op in made.ops}
    for op in made.ops:
        if op.kind in {OpKind.PROTECTED, OpKind.RESERVED, OpKind.HIDDEN_FILE, OpKind.HIDDEN_FOLDER}:
            for folder in upwards(parent(op.path)):
                if (
                    folder != "/"
                    and model(grants, folder) is WRITE
                    and model(grants, parent(folder)) is WRITE
                ):
                    assert folder in places


@given(GRANTS, TREES, ROOTS)
def test_landlock_never_gives_more_than_the_plan(rules, tree, root):
    grants, made, there = drawn(rules, tree, root)
    given_rules = list(landlock_rules(made, lambda folder: children(tree, folder)))
    writable = [path for option, path in given_rules if option == "--write"]
    readable = [path for option, path in given_rules if option in {"--write", "--read"}]
    for path in there - {"/"}:
        allowed = model(grants, path)
        if any(is_at_or_below(path, rule) for rule in writable):
            assert allowed is WRITE, (path, given_rules)
        if any(is_at_or_below(path, rule) for rule in readable):
            assert allowed in {READ, WRITE}, (path, given_rules)
        if is_leaf(path, there):
            assert any(is_at_or_below(path, rule) for rule in readable) == (allowed in {READ, WRITE})


def is_leaf(path: str, there: set[str]) -> bool:
    """Tell whether nothing is inside, so that a rule for it costs nothing its neighbours have."""
    return not any(is_below(other, path) for other in there)


@given(GRANTS, TREES, ROOTS)
def test_landlock_lets_no_reserved_name_be_created(rules, tree, root):
    _, made, _ = drawn(rules, tree, root)
    writable = [
        p for option, p in landlock_rules(made, lambda folder: children(tree, folder)) if option == "--write"
    ]
    for op in made.ops:
        if op.kind is OpKind.RESERVED and not op.soft:
            assert not any(is_at_or_below(op.path, rule) for rule in writable)


@given(GRANTS, TREES, ROOTS)
def test_mounts_give_what_the_plan_says(rules, tree, root):
    grants, made, there = drawn(rules, tree, root)
    options = bubblewrap_options(made, cwd="/")
    table: dict[str, Access | None] = {"/": root}
    for place, option in enumerate(options):
        if option in {"--bind", "--ro-bind"}:
            hidden = options[place + 1] == "/dev/null"
            table[options[place + 2]] = DENY if hidden else WRITE if option == "--bind" else READ
        elif option == "--tmpfs" and options[place + 1] != "/dev/shm":
            table[options[place + 1]] = DENY
    for path in there:
        nearest = next((table[folder] for folder in upwards(path) if folder in table), None)
        allowed = model(grants, path)
        assert (nearest or DENY) == (allowed or DENY), (path, options)
