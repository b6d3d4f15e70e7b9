"""Whether the sandboxed side could have written a file: every doubt is a yes."""

import os
from pathlib import Path

import pytest

from shelltool.sandbox.grants import Surroundings
from shelltool.sandbox.plan import NO_SANDBOX, SandboxPlan
from shelltool.sandbox.planning import plan_policy
from shelltool.sandbox.policy import parse_policy
from shelltool.sandbox.writable import could_have_written, could_write, open_file_could_have_been_written

POLICY = {"type": "workspace-write", "exclude_slash_tmp": True, "exclude_tmpdir_env_var": True}


@pytest.fixture
def base(tmp_path):
    base = tmp_path.resolve()
    for name in ("ws/src/tool", "ws/.git/hook", "outside/tool"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("#!/bin/sh\n", encoding="utf-8")
    return base


@pytest.fixture
def plan(base) -> SandboxPlan:
    return plan_policy(parse_policy(POLICY), Surroundings(cwd=f"{base}/ws"))


def test_files_in_the_workspace_could_have_been_written(base, plan):
    assert could_have_written(plan, f"{base}/ws/src/tool")
    assert could_have_written(plan, f"{base}/ws")


def test_files_outside_could_not(base, plan):
    assert not could_have_written(plan, f"{base}/outside/tool")
    assert not could_have_written(plan, "/usr/bin/env")


def test_protected_files_in_the_workspace_could_not(base, plan):
    assert not could_have_written(plan, f"{base}/ws/.git/hook")
    assert not could_have_written(plan, f"{base}/ws/.git")


def test_names_that_were_reserved_could_because_they_exist_now(base, plan):
    (base / "ws/.codex").mkdir()
    assert could_have_written(plan, f"{base}/ws/.codex")
    assert could_have_written(plan, f"{base}/ws/.codex/x")


def test_files_that_do_not_exist_are_judged_by_where_they_would_be(base, plan):
    assert could_have_written(plan, f"{base}/ws/new")
    assert not could_have_written(plan, f"{base}/outside/new")


def test_a_link_in_the_workspace_could_have_been_put_there(base, plan):
    (base / "ws/link").symlink_to(base / "outside/tool")
    assert could_have_written(plan, f"{base}/ws/link")


def test_a_link_outside_counts_as_what_it_leads_to(base, plan):
    (base / "outside/in").symlink_to(base / "ws/src/tool")
    (base / "outside/out").symlink_to("tool")
    assert could_have_written(plan, f"{base}/outside/in")
    assert not could_have_written(plan, f"{base}/outside/out")


def test_a_link_on_the_way_counts(base, plan):
    (base / "ws/away").symlink_to(base / "outside")
    (base / "outside/through").symlink_to(base / "ws/away/tool")
    assert could_have_written(plan, f"{base}/ws/away/tool")
    assert could_have_written(plan, f"{base}/outside/through")


def test_dots_are_taken_both_by_text_and_by_where_links_lead(base, plan):
    (base / "outside/link").symlink_to(base / "outside")
    assert could_have_written(plan, f"{base}/outside/../ws/src/tool")
    assert not could_have_written(plan, f"{base}/ws/../outside/tool")
    assert could_have_written(plan, f"{base}/outside/link/../ws/src/tool")


@pytest.mark.parametrize("folder", ["src", "new"])
def test_a_folder_that_dots_leave_counts_where_a_link_could_be_put_in_its_place(base, plan, folder):
    (base / "outside/through").symlink_to(base / f"ws/{folder}/../../outside/tool")
    assert could_have_written(plan, f"{base}/ws/{folder}/../../outside/tool")
    assert could_have_written(plan, f"{base}/outside/through")


@pytest.mark.parametrize(
    "path", ["/proc/self/exe", "/proc/1/root/usr/bin/env", "/dev/shm/x", "/dev/fd/3", "tool", ""]
)
def test_what_nobody_can_tell_is_a_yes(plan, path):
    assert could_have_written(plan, path)


def test_links_in_a_circle_are_a_yes(base, plan):
    (base / "outside/a").symlink_to("a")
    assert could_have_written(plan, f"{base}/outside/a")


def test_another_name_in_the_workspace_is_a_yes(base, plan):
    os.link(base / "outside/tool", base / "ws/src/twin")
    assert could_have_written(plan, f"{base}/outside/tool")


def test_another_name_of_a_file_that_the_user_may_not_write_is_no_matter(base, plan, monkeypatch):
    os.link(base / "outside/tool", base / "ws/src/twin")
    (base / "outside/tool").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "getegid", lambda: 12345)
    monkeypatch.setattr(os, "getgroups", list)
    assert not could_have_written(plan, f"{base}/outside/tool")
    (base / "outside/tool").chmod(0o757)
    assert could_have_written(plan, f"{base}/outside/tool")


def test_without_a_sandbox_everything_could_have_been_written():
    assert could_have_written(NO_SANDBOX, "/usr/bin/env")


def test_a_read_only_sandbox_could_have_written_nothing(base):
    plan = plan_policy(parse_policy({"type": "read-only"}), Surroundings())
    assert not could_have_written(plan, f"{base}/ws/src/tool")


def test_a_session_asks_about_all_its_plans(base, plan):
    read_only = plan_policy(parse_policy({"type": "read-only"}), Surroundings())
    question = could_write(read_only, plan)
    assert question(base / "ws/src/tool")
    assert not question(Path("/usr/bin/env"))
    assert not could_write(read_only)(base / "ws/src/tool")


def test_an_open_file_is_judged_by_the_name_it_has_now(base, plan):
    inside = os.open(base / "ws/src/tool", os.O_RDONLY)
    outside = os.open(base / "outside/tool", os.O_RDONLY)
    try:
        assert open_file_could_have_been_written(plan, inside)
        assert not open_file_could_have_been_written(plan, outside)
        (base / "outside/tool").rename(base / "outside/moved")
        assert not open_file_could_have_been_written(plan, outside)
        (base / "outside/moved").unlink()
        assert open_file_could_have_been_written(plan, outside)
        (base / "outside/moved").write_text("another", encoding="utf-8")
        assert open_file_could_have_been_written(plan, outside)
    finally:
        os.close(inside)
        os.close(outside)
    assert open_file_could_have_been_written(plan, -1)
