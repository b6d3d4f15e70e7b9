"""Of its own release a checkout describes the archives that its vendor tree gives, never those of before the last build."""

import pytest

from shellbuild import archives
from shellbuild.dotslash import check_manifests, settings_for, write_manifests
from shellbuild.errors import ReleaseError, VendorError
from shellbuild.manifest import load_manifest, make_manifest, save_manifest
from shellbuild.project import load_project
from shellbuild.release_files import Digest
from shellbuild.release_plan import archive_name, default_tag, plan_release
from shellbuild.tarball import Member
from unit.shellbuild.trees import LINUX, WHOLE, entry, make_tree

SETTINGS = settings_for(default_tag(), base_url=None, digest=Digest.BLAKE3)
BASH = "bash/static/bash"
ARCHIVE = archive_name("bash", plan_release(SETTINGS.tag).version, LINUX)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A whole vendor tree, and the manifests and archives that were made of it."""
    monkeypatch.setattr(archives, "function_members", lambda _: [Member(name="codex-zsh/bin/functions/_git")])
    folders = {name: tmp_path / name for name in ("vendor", "dist", "folder")}
    make_tree(folders["vendor"], *load_project().platforms, content=WHOLE)
    write_manifests(SETTINGS, **folders)
    return folders


def rebuild(vendor):
    """Put another bash into a tree, as a build at the same version does."""
    (vendor / LINUX / BASH).write_bytes(b"\x7fELF a better bash")
    manifest = load_manifest(vendor)
    fresh = entry(vendor, LINUX, BASH, "bash", "program")
    files = [fresh if file.path == fresh.path else file for file in manifest.files]
    save_manifest(make_manifest(manifest.version, files), vendor)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_after_a_rebuild_manifests_describe_the_new_archives(places):
    before = contents(places["folder"])
    rebuild(places["vendor"])
    write_manifests(SETTINGS, **places)
    after = contents(places["folder"])
    assert before["bash"] != after["bash"]
    assert before["zsh"] == after["zsh"]
    assert check_manifests(tag=SETTINGS.tag, **places)


@pytest.mark.parametrize("tag", [None, SETTINGS.tag])
def test_archives_of_before_a_rebuild_do_not_pass(places, tag):
    assert len(check_manifests(tag=tag, **places)) == 2
    rebuild(places["vendor"])
    before = contents(places["folder"])
    with pytest.raises(ReleaseError, match=f"{ARCHIVE}: in .*/dist, but not what .*/vendor gives"):
        check_manifests(tag=tag, **places)
    assert contents(places["folder"]) == before


@pytest.mark.parametrize("step", [write_manifests, check_manifests])
def test_a_flipped_byte_in_the_tree_is_refused_by_name(places, step):
    (places["vendor"] / LINUX / BASH).write_bytes(b"\x7fELF bush")
    with pytest.raises(VendorError, match=f"{LINUX}/{BASH}: has sha256"):
        step(*([SETTINGS] if step is write_manifests else []), **places)


def test_targets_that_the_tree_lacks_are_checked_by_their_archives(places, tmp_path):
    part = make_tree(tmp_path / "part", LINUX, content=WHOLE)
    assert len(check_manifests(**{**places, "vendor": part})) == 2


def test_another_release_is_what_dist_holds_and_nothing_is_packed(places):
    other = settings_for("v99.0.0", base_url=None, digest=Digest.BLAKE3)
    with pytest.raises(ReleaseError, match=r"codex-bash-99\.0\.0-.* is missing"):
        write_manifests(other, **places)
    assert not list(places["dist"].glob("*99.0.0*"))
