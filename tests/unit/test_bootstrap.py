"""What scripts/bootstrap.py finds missing on a machine, and what it changes there."""

import os
import runpy

import pytest

from shellbuild.project import ROOT

NOTE = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
"""


@pytest.fixture
def bootstrap():
    return runpy.run_path(str(ROOT / "scripts" / "bootstrap.py"))


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Stand-ins for what changes a machine, alone on the PATH; gives their calls."""
    for name in ("sudo", "sysctl"):
        (tmp_path / name).write_text(NOTE, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def made():
        file = tmp_path / "calls"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    return made


def test_the_tests_get_every_program_that_they_would_be_skipped_without(bootstrap, calls):
    wanted = bootstrap["missing_packages"](["tests", "thorough"])
    assert {"bubblewrap", "busybox-static", "gcc", "procps", "qemu-user-static"} <= set(wanted)


@pytest.mark.parametrize(("value", "made"), [("1\n", 1), ("0\n", 0), (None, 0)])
def test_a_machine_of_ci_may_make_namespaces_afterwards(bootstrap, calls, tmp_path, value, made):
    setting = tmp_path / "apparmor_restrict_unprivileged_userns"
    if value is not None:
        setting.write_text(value, encoding="utf-8")
    allow = bootstrap["allow_namespaces"]
    allow.__globals__["RESTRICTION"] = setting
    allow()
    assert calls() == ["sudo sysctl --write kernel.apparmor_restrict_unprivileged_userns=0"] * made


@pytest.mark.parametrize(("ci", "made"), [("true", 1), (None, 0)])
def test_the_setting_of_anyone_elses_machine_stays(bootstrap, calls, tmp_path, monkeypatch, ci, made):
    monkeypatch.setenv("CI", ci) if ci else monkeypatch.delenv("CI", raising=False)
    done = []
    own = bootstrap["main"].__globals__
    own["install_packages"] = lambda _: None
    own["allow_namespaces"] = lambda: done.append("allowed")
    own["NOX"] = tmp_path / "sudo"
    monkeypatch.setattr(os, "execv", lambda *_: None)
    monkeypatch.setattr(os, "chdir", lambda _: None)
    bootstrap["main"](["unit"])
    assert done == ["allowed"] * made
