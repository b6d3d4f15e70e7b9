"""What a manifest says, and what of it can be read back."""

import json

import pytest

from shellbuild.dotslash import (
    FOLDER,
    manifest_text,
    read_settings,
    refresh_manifests,
    settings_for,
)
from shellbuild.errors import ReleaseError
from shellbuild.project import SHELLS, load_project
from shellbuild.release_files import Digest, Measured
from shellbuild.release_plan import default_tag, plan_release

PLAN = plan_release("v1.2.3")


def text_with(settings):
    return manifest_text(PLAN, "bash", settings, lambda name: Measured(size=len(name), digest="0" * 64))


def test_there_is_an_entry_for_each_platform_under_dotslashs_name_of_it():
    settings = settings_for("v1.2.3", base_url=None, digest=Digest.BLAKE3, repository_name="owner/name")
    text = text_with(settings)
    assert text.startswith("#!/usr/bin/env dotslash\n")
    platforms = json.loads("{" + text.partition("\n{")[2])["platforms"]
    rows = load_project().platforms.values()
    assert list(platforms) == [row.dotslash for row in rows]
    for row in rows:
        archive = f"codex-bash-1.2.3-{row.target}.tar.gz"
        assert platforms[row.dotslash] == {
            "size": len(archive),
            "hash": "blake3",
            "digest": "0" * 64,
            "format": "tar.gz",
            "path": "codex-bash/bin/bash",
            "providers": [
                {"url": f"https://github.com/owner/name/releases/download/v1.2.3/{archive}"},
                {"type": "github-release", "repo": "owner/name", "tag": "v1.2.3", "name": archive},
            ],
        }


@pytest.mark.parametrize("base_url", [None, "https://example.invalid/a", "https://example.invalid/a/"])
@pytest.mark.parametrize("digest", list(Digest))
def test_settings_are_read_back(tmp_path, base_url, digest):
    settings = settings_for("v1.2.3", base_url=base_url, digest=digest, repository_name="owner/name")
    (tmp_path / "bash").write_text(text_with(settings), encoding="utf-8")
    assert read_settings(tmp_path / "bash") == settings


def test_without_a_tag_it_is_this_checkouts_release():
    assert settings_for(None, base_url=None, digest=Digest.SHA256).tag == default_tag()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#!/usr/bin/env dotslash\n",
        "#!x\n{]",
        '#!x\n{"platforms": {}}',
        '#!x\n{"platforms": {"a": {"providers": [1]}}}',
    ],
)
def test_a_file_of_someone_else_is_told_apart(tmp_path, text):
    (tmp_path / "bash").write_text(text, encoding="utf-8")
    with pytest.raises(ReleaseError, match="is not a manifest that this project generated"):
        read_settings(tmp_path / "bash")


def test_nothing_is_written_when_an_archive_is_missing(tmp_path):
    settings = settings_for("v1.2.3", base_url=None, digest=Digest.SHA256)
    with pytest.raises(ReleaseError, match=r"codex-bash-1\.2\.3-.* is missing"):
        refresh_manifests(settings, dist=tmp_path, folder=tmp_path / "dotslash")
    assert list(tmp_path.iterdir()) == []


def test_committed_manifests_are_of_this_project():
    """Whether they are fresh is for `nox -s dotslash -- --check`, which needs the archives."""
    for path in (FOLDER / shell for shell in SHELLS):
        if path.exists():
            settings = read_settings(path)
            assert plan_release(settings.tag)
            assert settings.base_url.startswith("https://")
