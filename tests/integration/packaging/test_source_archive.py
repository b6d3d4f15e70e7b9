"""The source archives: complete, deterministic, and enough to start the build without any network."""

import json
import os
import subprocess
import sys

import pytest

from shellbuild import source_archives
from shellbuild.builder import build, make_request
from shellbuild.errors import ReleaseError
from shellbuild.manifest import load_manifest, make_manifest, save_manifest
from shellbuild.release_plan import plan_release
from shellbuild.version import project_version
from unit.shellbuild.trees import LINUX, make_tree

pytestmark = pytest.mark.build


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A vendor tree whose programs were made of the sources that the cached builds used."""
    root = make_tree(tmp_path_factory.mktemp("vendor"), LINUX)
    manifest = load_manifest(root)
    files = [file.model_copy(update=origin(file.component)) for file in manifest.files]
    save_manifest(make_manifest(manifest.version, files), root)
    return root


def origin(shell: str) -> dict[str, str | None]:
    record = json.loads((build(make_request(shell)) / "build.json").read_text(encoding="utf-8"))
    kind, _, pin = record["source"].partition(":")
    return {"commit": pin if kind == "git" else None, "source_sha256": pin if kind == "sha256" else None}


@pytest.fixture(scope="module")
def unpacked(tree, tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    bash, zsh = source_archives.write_source_archives(vendor=tree, dist=folder)
    assert zsh.name.endswith("-source.tar.gz")
    subprocess.run(["tar", "-xpzf", bash, "-C", folder], check=True, timeout=120)
    return folder / bash.name.removesuffix(".tar.gz")


def test_upstreams_source_patches_recipes_and_toolkit_are_in_it(unpacked):
    for name in (
        *(
            "LICENSE",
            "recipes/bash.toml",
            "recipes/ncurses.toml",
            "recipes/platforms.toml",
            "scripts/bootstrap.py",
        ),
        *(
            "patches/bash-exec-wrapper.patch",
            "src/shellbuild/builder/bash.py",
            "noxfile.py",
            "pyproject.toml",
        ),
        *("toolchain/lib/libc/musl/COPYRIGHT", "toolchain/LICENSE"),
    ):
        assert (unpacked / name).is_file(), name
    assert list((unpacked / "toolchain/lib/libc/musl/src").rglob("*.c"))


def test_the_instructions_name_the_digest_that_must_come_out(unpacked, tree):
    text = (unpacked / "REBUILD.md").read_text(encoding="utf-8")
    [program] = [file for file in load_manifest(tree).programs(LINUX) if file.component == "bash"]
    assert program.sha256 in text
    assert "`patches/` | `bash-exec-wrapper.patch`" in text


def test_the_build_finds_its_source_in_the_archive_and_asks_nobody(unpacked, tmp_path):
    provider = json.loads((build(make_request("bash")) / "build.json").read_text(encoding="utf-8"))[
        "provider"
    ]
    (tmp_path / "bin").mkdir()
    for tool in ("tar", "sh"):  # neither git nor apt-get nor anything else that could fetch
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}")
    environment = {
        "PATH": str(tmp_path / "bin"),
        "HOME": str(tmp_path),
        "SHELLBUILD_CACHE": str(unpacked / "cache"),
        "PYTHONPATH": str(unpacked / "src"),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "shellbuild", "fetch", "bash", "--source", provider]
    done = subprocess.run(
        command, cwd=unpacked, env=environment, timeout=120, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert os.path.isfile(os.path.join(done.stdout.strip(), "execute_cmd.c"))


def test_packing_twice_gives_the_same_bytes(tree, tmp_path):
    before = os.umask(0o077)
    try:
        first = source_archives.write_source_archives(vendor=tree, dist=tmp_path / "one")
    finally:
        os.umask(before)
    second = source_archives.write_source_archives(vendor=tree, dist=tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize(
    ("what", "facts"),
    [
        ("source", {"commit": "0" * 40, "source_sha256": None}),
        ("patch digest", {"patch_digest": "0" * 64}),
        ("toolchain", {"toolchain": "ziglang 0.1"}),
    ],
)
def test_programs_of_something_else_than_is_packed_are_refused_by_name(tree, what, facts):
    manifest = load_manifest(tree)
    files = [file.model_copy(update=facts) for file in manifest.files]
    with pytest.raises(ReleaseError, match=f"{LINUX}: bash is of {what} "):
        source_archives.source_members("bash", make_manifest(manifest.version, files), project_version())


def test_a_shells_own_release_says_its_own_version(tree):
    version = plan_release("codex-bash-v5.3.1").version
    instructions, *_ = source_archives.source_members("bash", load_manifest(tree), version)
    assert instructions.name == "codex-bash-5.3.1-source/REBUILD.md"
    assert b"# The source of codex-bash 5.3.1\n" in instructions.content
    assert b"binaries in release 5.3.1:" in instructions.content
