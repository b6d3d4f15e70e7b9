import json
from typing import Any

import pytest

from shellbuild.manifest import load_manifest, make_manifest
from shellbuild.project import load_project
from shellbuild.release_plan import default_tag, plan_release
from shellbuild.sbom import sbom_text, write_sbom
from unit.shellbuild.trees import ARM, LINUX, make_tree

COMMIT = "c" * 40
PLAN = plan_release(default_tag())


@pytest.fixture
def manifest(tmp_path):
    found = load_manifest(make_tree(tmp_path / "vendor", LINUX, ARM))
    changes = {"commit": COMMIT, "source_sha256": None}
    files = [file.model_copy(update=changes) if file.component == "zsh" else file for file in found.files]
    return make_manifest(found.version, files)


@pytest.fixture
def document(manifest):
    return json.loads(sbom_text(manifest, PLAN))


def components(document) -> dict[str, Any]:
    return {component["bom-ref"]: component for component in document["components"]}


def test_every_program_is_a_component_with_what_it_was_made_of(document, manifest):
    zsh = components(document)[f"{LINUX}/zsh/static/zsh"]
    [file] = [file for file in manifest.files if file.path == zsh["bom-ref"]]
    facts = {one["name"].partition(":")[2]: one["value"] for one in zsh["properties"]}
    assert (zsh["name"], zsh["version"]) == ("zsh", "5.9.2")
    assert zsh["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
    assert facts["patch-digest"] == file.patch_digest
    assert facts["target"] == LINUX
    assert zsh["pedigree"]["commits"] == [{"uid": COMMIT}]
    assert [patch["diff"]["url"].rsplit("/", 1)[1] for patch in zsh["pedigree"]["patches"]] == [
        *load_project().recipes["zsh"].releases["5.9.2"].patches
    ]
    assert zsh["licenses"] == [{"expression": "MIT-Modern-Variant"}]


def test_what_is_linked_in_is_a_dependency(document):
    needs = {one["ref"]: set(one.get("dependsOn", ())) for one in document["dependencies"]}
    assert needs[f"{ARM}/bash/static/bash"] == {"ncurses", "musl", "zig"}
    assert {"ncurses", "musl", "zig"} < components(document).keys()


def test_the_document_depends_on_the_manifest_alone(manifest):
    assert sbom_text(manifest, PLAN) == sbom_text(manifest, PLAN)


def test_it_is_written_for_a_tree_that_is_what_its_manifest_says(tmp_path):
    tree = make_tree(tmp_path / "vendor", LINUX)
    path = write_sbom(vendor=tree, dist=tmp_path / "dist")
    assert [path.name] == PLAN.files()["sbom"]
    assert json.loads(path.read_text(encoding="utf-8"))["specVersion"] == "1.6"


def test_a_shells_own_release_has_a_document_of_that_shell_alone(tmp_path):
    plan = plan_release("codex-bash-v2.3.4")
    path = write_sbom(tag=plan.tag, vendor=make_tree(tmp_path / "vendor", LINUX, ARM), dist=tmp_path / "dist")
    document = json.loads(path.read_text(encoding="utf-8"))
    product = document["metadata"]["component"]
    assert [path.name] == plan.files()["sbom"] == ["codex-bash-2.3.4.cdx.json"]
    assert (product["name"], product["version"]) == ("codex-bash", "2.3.4")
    assert product["licenses"] == [{"expression": "GPL-3.0-or-later"}]
    assert {one["name"] for one in components(document).values() if one["type"] == "application"} == {"bash"}
    bash = components(document)[f"{LINUX}/bash/static/bash"]
    assert "/blob/codex-bash-v2.3.4/patches/" in bash["pedigree"]["patches"][0]["diff"]["url"]
