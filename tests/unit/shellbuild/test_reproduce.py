import os
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement

from excuses import machine
from shellbuild import reproduce
from shellbuild.errors import ReproduceError, StepError
from shellbuild.project import ROOT
from shellbuild.reproduce import FIRST, SECOND, as_user, commands, compare_trees, copy_checkout


@pytest.fixture
def pair(tmp_path):
    for name in ("first", "second"):
        for folder in ("vendor", "dist", "dotslash"):
            (tmp_path / name / folder).mkdir(parents=True)
        (tmp_path / name / "vendor/program").write_bytes(b"\x7fELF")
        (tmp_path / name / "vendor/program").chmod(0o755)
        (tmp_path / name / "dist/archive.tar.gz").write_bytes(b"same")
        (tmp_path / name / "dotslash/bash").write_bytes(b"{}")
    return tmp_path / "first", tmp_path / "second"


def test_equal_trees_have_no_differences(pair):
    (pair[1] / "dist/archive.tar.gz").chmod(0o600)  # the umask shows in modes, and only there
    assert compare_trees(*pair) == []
    assert reproduce._judge(*pair) == "all 3 files of vendor, dist, dotslash are identical in both builds"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda root: (root / "vendor/program").write_bytes(b"\x7fELG"), "vendor/program"),
        (lambda root: (root / "vendor/program").chmod(0o644), "vendor/program"),
        (lambda root: (root / "dist/more").write_bytes(b""), "dist/more"),
        (lambda root: (root / "dist/archive.tar.gz").unlink(), "dist/archive.tar.gz"),
        (lambda root: (root / "dotslash/bash").write_bytes(b"{ }"), "dotslash/bash"),
    ],
    ids=["another byte", "a lost run bit", "one file more", "one file less", "another manifest"],
)
def test_each_kind_of_difference_is_named(pair, change, name, monkeypatch):
    change(pair[1])
    assert compare_trees(*pair) == [name]
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ReproduceError, match=name):
        reproduce._judge(*pair)


def test_a_difference_is_shown_by_diffoscope_where_it_is_installed(pair, tmp_path, monkeypatch, capsys):
    tool = tmp_path / "bin" / "diffoscope"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "offset 3 of $6" > "$2"\nexit 1\n', encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(reproduce, "BUILD", tmp_path / "build")
    (tmp_path / "build/logs/reproduce").mkdir(parents=True)
    (pair[1] / "vendor/program").write_bytes(b"\x7fELG")
    with pytest.raises(ReproduceError):
        reproduce._judge(*pair)
    assert f"offset 3 of {pair[1]}/vendor/program" in capsys.readouterr().err


def test_the_copies_are_what_the_repository_holds(tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("src/vendor/code.py", "vendor/made", "build/made", ".git/made", "src/__pycache__/made"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("", encoding="utf-8")
    copy_checkout(checkout, tmp_path / "copy")
    found = [path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.*")]
    assert found == ["src/vendor/code.py"]
    assert not list((tmp_path / "copy").rglob("made"))


def test_the_two_builds_have_no_condition_in_common():
    assert FIRST.umask != SECOND.umask
    assert FIRST.jobs != SECOND.jobs
    assert FIRST.user != SECOND.user
    assert len(FIRST.folder.split("/")) != len(SECOND.folder.split("/"))
    for name in ("LC_ALL", "TZ", "USER", "LOGNAME", "PYTHONHASHSEED"):
        assert FIRST.environment[name] != SECOND.environment[name]


def test_what_writes_the_bytes_of_a_release_is_pinned():
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = document["dependency-groups"]
    pins = {one.name: str(one.specifier) for one in map(Requirement, groups["build"] + groups["release"])}
    for name in ("build", "cyclonedx-python-lib", "hatchling", "jinja2", "py-serializable", "ziglang"):
        assert pins[name].startswith("=="), name
    assert document["build-system"]["requires"] == [f"hatchling{pins['hatchling']}"]


def test_a_part_leaves_out_what_needs_all_targets():
    whole = [command[0] for command in commands((), 2)]
    part = commands(("aarch64-apple-darwin",), 1)
    assert whole == ["vendor", "archives", "wheels", "npm", "dotslash", "checksums"]
    assert "npm" not in [command[0] for command in part]
    assert part[0] == ["vendor", "--jobs", "1", "--target", "aarch64-apple-darwin"]


def test_a_build_can_take_itself_for_another_user(monkeypatch, capsys):
    start = as_user(SECOND.user)
    if not start:
        pytest.skip(machine(capsys.readouterr().err))
    done = subprocess.run([*start, "id", "-u"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == f"{SECOND.user}\n"
    assert as_user(None) == []
    monkeypatch.setattr(reproduce, "capture", refuse)
    assert as_user(SECOND.user) == []
    assert "has the same user" in capsys.readouterr().err


def refuse(*_):
    raise StepError("unshare failed")
