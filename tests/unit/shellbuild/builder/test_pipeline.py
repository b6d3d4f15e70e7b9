"""The pipeline with a recipe of three shell commands: real processes, no compiler, no network."""

import json
import sys

import pytest

from shellbuild.builder import pipeline
from shellbuild.builder import request as requests
from shellbuild.builder.request import BuildRequest
from shellbuild.errors import PatchError, StepError
from shellbuild.platforms import load_platforms
from shellbuild.project import RECIPES
from shellbuild.recipe import ArchiveSource, Configure, Recipe, Release, Sources
from shellbuild.sources import Provider, SourceTree

SOURCES = Sources(archive=ArchiveSource(url="https://example.org/x.tar.gz", sha256="a" * 64, size=1))


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A request whose source, steps and folders are all below tmp_path."""
    monkeypatch.setenv("SHELLBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pipeline, "BUILD", tmp_path / "build")
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    (upstream / "COPYING").write_text("licence", encoding="utf-8")
    tree = SourceTree(path=upstream, provider=Provider.ARCHIVE, identity="sha256:aa", original=None)
    monkeypatch.setattr(pipeline, "obtain_source", lambda *_: tree)
    set_steps(monkeypatch, make_tool)
    platform = load_platforms(RECIPES / "platforms.toml")["x86_64-unknown-linux-musl"]
    release = Release(sources=SOURCES)
    recipe = Recipe(
        name="tool",
        homepage="https://example.org/",
        license="MIT",
        license_files=("COPYING",),
        default_release="1",
        configure=Configure(),
        outputs=("tool",),
        allowed_libraries={},
        releases={"1": release},
    )
    return BuildRequest(recipe=recipe, version="1", release=release, platform=platform)


def set_steps(monkeypatch, steps) -> None:
    monkeypatch.setitem(pipeline.STEPS, "tool", steps)


def make_tool(workspace) -> None:
    workspace.run("make", ["sh", "-c", "echo '#!/bin/sh' > tool; chmod 755 tool"])
    workspace.keep(workspace.build / "tool", "tool")


def leftovers(tmp_path) -> list[str]:
    return [path.name for part in ("builds", "work") for path in (tmp_path / "cache" / part).glob("[!.]*")]


def test_a_build_leaves_its_outputs_licences_and_manifest(tool):
    result = pipeline.build(tool)
    assert (result / "tool").stat().st_mode & 0o777 == 0o755
    assert (result / "licenses" / "tool" / "COPYING").read_text(encoding="utf-8") == "licence"
    manifest = json.loads((result / "build.json").read_text(encoding="utf-8"))
    assert manifest["source"] == "sha256:aa"
    assert set(manifest["files"]) == {"tool", "licenses/tool/COPYING"}


def test_a_second_build_uses_the_first_one_and_says_so(tool, monkeypatch, capsys):
    first = pipeline.build(tool)
    set_steps(monkeypatch, lambda _: pytest.fail("built again"))
    assert pipeline.build(tool) == first
    assert "cached" in capsys.readouterr().err


def test_a_failed_step_shows_its_last_lines_and_keeps_its_log_only(tool, monkeypatch, tmp_path):
    set_steps(monkeypatch, lambda workspace: workspace.run("make", ["sh", "-c", "echo the reason; exit 2"]))
    with pytest.raises(StepError, match="the reason") as caught:
        pipeline.build(tool)
    log = tmp_path / "build" / "logs" / tool.label / "01-make.log"
    assert str(log) in str(caught.value)
    assert log.read_text(encoding="utf-8") == "the reason\n"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_build_leaves_nothing(tool, monkeypatch, tmp_path, end):
    def interrupted(workspace) -> None:
        make_tool(workspace)
        raise end

    set_steps(monkeypatch, interrupted)
    with pytest.raises(end):
        pipeline.build(tool)
    assert leftovers(tmp_path) == []


def test_a_build_without_its_outputs_is_refused(tool, monkeypatch, tmp_path):
    set_steps(monkeypatch, lambda _: None)
    with pytest.raises(StepError, match="left no tool"):
        pipeline.build(tool)
    assert leftovers(tmp_path) == []


def test_a_patch_that_does_not_fit_stops_the_build(tool, monkeypatch, tmp_path):
    patch = tmp_path / "x.patch"
    patch.write_text(
        "Subject: a\nWhy: b\nUpstream: c\nTest: d\n\n"
        "diff --git a/COPYING b/COPYING\n--- a/COPYING\n+++ b/COPYING\n@@ -1 +1 @@\n-other\n+x\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(pipeline, "PATCHES", tmp_path)
    monkeypatch.setattr(requests, "PATCHES", tmp_path)
    object.__setattr__(tool, "release", Release(patches=("x.patch",), sources=SOURCES))
    with pytest.raises(PatchError, match=r"x\.patch does not apply"):
        pipeline.build(tool)
    assert leftovers(tmp_path) == []


def test_steps_see_nothing_of_the_users_environment_and_no_compiler_of_the_host(tool, monkeypatch):
    monkeypatch.setenv("CFLAGS", "-DSURPRISE")
    seen = {}

    def look(workspace) -> None:
        workspace.run("env", ["sh", "-c", "env > env; command -v gcc cc ld ar as > compilers; true"])
        seen["env"] = (workspace.build / "env").read_text(encoding="utf-8")
        seen["compilers"] = (workspace.build / "compilers").read_text(encoding="utf-8")
        make_tool(workspace)

    set_steps(monkeypatch, look)
    pipeline.build(tool)
    assert "SURPRISE" not in seen["env"]
    assert sys.prefix not in seen["env"].replace(str(seen), "")
    assert seen["compilers"] == ""
