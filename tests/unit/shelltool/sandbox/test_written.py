"""What sandboxed commands could have written, under however many plans: what one could is a yes, and nothing else is."""

from pathlib import Path

import pytest

from shelltool.sandbox import written as module
from shelltool.sandbox.grants import Access, Surroundings
from shelltool.sandbox.plan import NO_SANDBOX, Op, OpKind, SandboxPlan
from shelltool.sandbox.planning import plan_policy
from shelltool.sandbox.policy import parse_policy
from shelltool.sandbox.written import Written

POLICY = {"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """Plans for folders, of which few are remembered as they are."""
    monkeypatch.setattr(module, "PLANS_REMEMBERED", 2)

    def make(name):
        (tmp_path / name / ".git").mkdir(parents=True)
        (tmp_path / name / ".git" / "HEAD").touch()
        return plan_policy(parse_policy(POLICY), Surroundings(cwd=str(tmp_path / name)))

    return make


def test_after_many_plans_what_no_plan_lets_be_written_still_could_not(tmp_path, workspace):
    written = Written()
    for number in range(10):
        written.add(workspace(f"ws{number}"))
    assert all(written.could_have_written(tmp_path / f"ws{number}" / "file") for number in range(10))
    assert not written.could_have_written(Path("/usr/bin/env"))
    assert not written.could_have_written(tmp_path / "else")


def test_what_later_plans_protect_is_not_sure_to_be(tmp_path, workspace):
    written = Written()
    for number in range(3):
        written.add(workspace(f"ws{number}"))
    assert not written.could_have_written(tmp_path / "ws0" / ".git")
    assert written.could_have_written(tmp_path / "ws2" / ".git")


def test_plans_that_differ_in_what_is_protected_do_not_add_up(workspace):
    written = Written()
    plan = workspace("ws")
    for number in range(1000):
        written.add(
            SandboxPlan(
                root=Access.READ, ops=(*plan.ops, Op(OpKind.PROTECTED, f"{plan.ops[0].path}/{number}"))
            )
        )
    assert written._later.ops == (Op(OpKind.WRITABLE, plan.ops[0].path),)


def test_a_folder_in_one_that_can_be_written_adds_nothing(workspace):
    written = Written()
    for name in ("a", "b", "c/d", "c-e", "c"):
        written.add(workspace(name) if name != "c" else SandboxPlan(ops=(Op(OpKind.WRITABLE, "/"),)))
    assert written._later.paths(OpKind.WRITABLE) == ("/",)


def test_after_a_plan_that_lets_everything_be_written_anything_could_have_been(workspace):
    written = Written()
    for plan in (workspace("a"), workspace("b"), NO_SANDBOX, workspace("c")):
        written.add(plan)
    assert written.could_have_written(Path("/usr/bin/env"))
