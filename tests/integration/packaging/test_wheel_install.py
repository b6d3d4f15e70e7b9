"""The wheels and the sdist: their tags, their bytes, and what a user has after installing one."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from integration.packaging.trees import PLATFORMS
from shellbuild.errors import PackageError
from shellbuild.packing import complete_tree
from shellbuild.project import ROOT, host_target
from shellbuild.release_plan import default_tag, plan_release
from shellbuild.version import project_version
from shellbuild.wheel_tags import check_tags
from shellbuild.wheels import build_wheels, check_contents

STEP_S = 300
HELP_S = 60


def run(argv, *, status=0, **more):
    more.setdefault("timeout", HELP_S)
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    assert done.returncode == status, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(whole_tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build_wheels(vendor=whole_tree, dist=folder)
    return folder


def wheel_of(dist, part):
    (found,) = dist.glob(f"*{part}*.whl")
    return found


def own_wheel(dist):
    (row,) = (row for row in PLATFORMS if row.target == host_target())
    return wheel_of(dist, row.wheel_tags[0])


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_there_is_one_a_target_the_pure_one_and_the_sdist(dist):
    files = plan_release(default_tag()).files()
    assert sorted(path.name for path in dist.iterdir()) == sorted(files["wheels"] + files["sdist"])


def test_tags_are_those_of_the_platform_table(dist):
    tags = [{str(tag) for tag in parse_wheel_filename(path.name)[3]} for path in dist.glob("*.whl")]
    expected = [{f"py3-none-{tag}" for tag in row.wheel_tags} for row in PLATFORMS]
    assert sorted(map(sorted, tags)) == sorted(map(sorted, [*expected, {"py3-none-any"}]))
    with zipfile.ZipFile(own_wheel(dist)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/WHEEL"))
        assert "Root-Is-Purelib: false" in archive.read(name).decode()


def test_twine_has_nothing_to_say_of_any(dist):
    said = run([sys.executable, "-m", "twine", "check", "--strict", *sorted(dist.iterdir())])
    assert said.count("PASSED") == len(list(dist.iterdir()))


def test_their_metadata_is_of_the_version_that_uploads_take(dist):
    assert {metadata(wheel)["Metadata-Version"] for wheel in dist.glob("*.whl")} == {"2.4"}
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        (name,) = (name for name in archive.getnames() if name.endswith("/PKG-INFO"))
        stream = archive.extractfile(name)
        assert stream is not None
        stated = stream.read().decode()
    assert HeaderParser().parsestr(stated)["Metadata-Version"] == "2.4"


def test_the_licence_is_that_of_what_is_inside(dist):
    assert metadata(wheel_of(dist, "-any"))["License-Expression"] == "Apache-2.0"
    whole = metadata(own_wheel(dist))["License-Expression"]
    assert whole.split(" AND ") == [
        "Apache-2.0",
        "GPL-3.0-or-later",
        "MIT",
        "MIT-Modern-Variant",
        "X11-distribute-modifications-variant",
    ]
    for wheel in dist.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            assert [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]


def test_only_the_runtime_and_one_targets_files_are_inside(dist):
    with zipfile.ZipFile(own_wheel(dist)) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"shelltool", f"codex_shell_tool_mcp-{project_version().pep440}.dist-info"}
    vendored = {name.split("/")[2] for name in names if name.startswith("shelltool/vendor/")}
    assert vendored == {"manifest.json", host_target()}
    with zipfile.ZipFile(wheel_of(dist, "-any")) as archive:
        assert not [name for name in archive.namelist() if "vendor" in name or name.startswith("shellbuild")]


def test_the_bytes_do_not_depend_on_umask_time_or_epoch(dist, whole_tree, tmp_path, monkeypatch):
    other = shutil.copytree(whole_tree, tmp_path / "elsewhere" / "vendor")
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    before = os.umask(0o077)
    try:
        again = build_wheels(vendor=other, dist=tmp_path / "dist")
    finally:
        os.umask(before)
    assert [path.name for path in again if path.read_bytes() != (dist / path.name).read_bytes()] == []


def test_the_sdist_gives_the_pure_wheel_again(dist, tmp_path):
    with tarfile.open(dist / f"codex_shell_tool_mcp-{project_version().pep440}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "dist", tree]
    run(build, env={**os.environ, "SOURCE_DATE_EPOCH": "1580601600"})
    (again,) = (tmp_path / "dist").iterdir()
    assert again.read_bytes() == (dist / again.name).read_bytes()


def test_a_wheel_that_lost_a_run_bit_or_a_byte_is_refused(dist, whole_tree, tmp_path):
    tree = complete_tree(whole_tree, [host_target()])
    check_contents(own_wheel(dist), tree)
    bash = f"shelltool/vendor/{host_target()}/bash/static/bash"
    for spoil in ("mode", "byte"):
        spoilt = tmp_path / f"{spoil}.whl"
        with zipfile.ZipFile(own_wheel(dist)) as source, zipfile.ZipFile(spoilt, "w") as target:
            for info in source.infolist():
                data = source.read(info)
                if info.filename == bash and spoil == "mode":
                    info.external_attr = 0o100644 << 16
                if info.filename == bash and spoil == "byte":
                    data += b"?"
                target.writestr(info, data)
        with pytest.raises(PackageError, match=rf"1 files are not as the manifest says: {bash}"):
            check_contents(spoilt, tree)


@pytest.mark.parametrize(("row", "others"), [(0, (1, 2)), (3, (1, 2))])
def test_a_tag_that_the_binaries_do_not_keep_is_refused(tiny_programs, row, others):
    platform = PLATFORMS[row]
    check_tags(platform, [tiny_programs[platform.target]])
    for other in others:
        with pytest.raises(PackageError, match=r"runs on .* but recipes/platforms.toml says"):
            check_tags(platform, [tiny_programs[PLATFORMS[other].target]])


def test_a_program_that_is_not_static_is_refused():
    with pytest.raises(PackageError, match="is not static"):
        check_tags(PLATFORMS[0], [Path("/bin/true")])


def test_something_that_is_no_program_is_refused(tmp_path):
    (tmp_path / "text").write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(PackageError, match="neither an ELF nor a Mach-O"):
        check_tags(PLATFORMS[0], [tmp_path / "text"])


@pytest.fixture(scope="module")
def environment(dist, tmp_path_factory):
    """A clean virtual environment with the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run([sys.executable, "-m", "venv", folder], timeout=STEP_S)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*install, own_wheel(dist)], timeout=STEP_S)
    return folder


def clean(tmp_path, **more):
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **more}


@pytest.mark.network
def test_every_command_of_the_project_starts(environment, tmp_path):
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "codex-exec-mcp-server" in document["project"]["scripts"]
    for command in document["project"]["scripts"]:
        assert run([environment / "bin" / command, "--help"], env=clean(tmp_path), cwd=tmp_path)


def test_its_page_names_every_command(dist):
    page = metadata(own_wheel(dist)).get_payload()
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert [name for name in document["project"]["scripts"] if f"`{name}`" not in page] == []


@pytest.mark.network
def test_the_server_states_its_version(environment, tmp_path):
    said = run(
        [environment / "bin" / "codex-exec-mcp-server", "--version"], env=clean(tmp_path), cwd=tmp_path
    )
    assert said == f"codex-exec-mcp-server {project_version().pep440}\n"


@pytest.mark.network
def test_the_server_starts_with_no_options_on_the_wheels_own_shells(environment, tmp_path):
    """Before it answers, it has found a shell and seen it intercept: there is no other patched one."""
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "0"},
    }
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    server = environment / "bin" / "codex-exec-mcp-server"
    said = run([server], env=clean(tmp_path), cwd=tmp_path, input=json.dumps(asked) + "\n")
    answer = json.loads(said.splitlines()[0])
    assert answer["result"]["serverInfo"]["version"] == project_version().pep440


@pytest.mark.network
def test_the_shells_of_the_wheel_are_found_and_intercept(environment, tmp_path):
    python = environment / "bin" / "python"
    table = run([python, "-m", "shelltool.shells"], env=clean(tmp_path), cwd=tmp_path)
    paths = dict(line.split("\t") for line in table.splitlines())
    assert paths.keys() == {"bash", "zsh", "codex-execve-wrapper", "codex-linux-sandbox"}
    assert all(Path(path).is_relative_to(environment) for path in paths.values())
    program = (
        "from shelltool.shells import *; [check_intercepts(find_shell(n)) for n in SHELLS]; print('both')"
    )
    assert run([python, "-c", program], env=clean(tmp_path), cwd=tmp_path) == "both\n"
