import json

import pytest

from shellbuild.errors import VendorError
from shellbuild.manifest import NAME, load_manifest, make_manifest, verify
from unit.shellbuild.trees import ARM, FILES, LINUX, make_tree


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "vendor", ARM, LINUX)


def refusal(tree, *targets) -> str:
    with pytest.raises(VendorError) as caught:
        verify(tree, targets)
    return str(caught.value)


def edit(tree, change):
    document = json.loads((tree / NAME).read_text(encoding="utf-8"))
    change(document)
    (tree / NAME).write_text(json.dumps(document), encoding="utf-8")


def test_a_tree_that_is_what_its_manifest_says_passes(tree):
    manifest = verify(tree)
    assert manifest.targets == (ARM, LINUX)
    assert len(manifest.files) == 2 * len(FILES)
    assert [file.path for file in manifest.programs(LINUX)] == [
        f"{LINUX}/bash/static/bash",
        f"{LINUX}/zsh/static/zsh",
    ]


def test_the_written_manifest_is_read_back_equal_and_is_one_line_a_file(tree):
    manifest = load_manifest(tree)
    assert manifest.text() == (tree / NAME).read_text(encoding="utf-8")
    assert len(manifest.text().splitlines()) == len(manifest.files) + 2
    assert json.loads(manifest.text())["schema"] == 1


def test_everything_that_is_wrong_is_named_at_once(tree):
    bash = tree / LINUX / "bash/static/bash"
    data = bytearray(bash.read_bytes())
    data[1] ^= 1
    bash.write_bytes(bytes(data))
    (tree / LINUX / "zsh/static/zsh").chmod(0o644)
    (tree / ARM / "zsh/static/functions/compinit").unlink()
    (tree / ARM / "bash/static/bash").write_bytes(b"longer than before")
    (tree / ARM / "bash/static/licenses/bash/COPYING").chmod(0o755)
    (tree / LINUX / "stray").write_bytes(b"")
    text = refusal(tree)
    assert f"{LINUX}/bash/static/bash: has sha256" in text
    assert f"{LINUX}/zsh/static/zsh: lost its run bit" in text
    assert f"{ARM}/zsh/static/functions/compinit: is missing" in text
    assert f"{ARM}/bash/static/bash: has 18 bytes, the manifest says 9" in text
    assert f"{ARM}/bash/static/licenses/bash/COPYING: can be run" in text
    assert f"{LINUX}/stray: is not in the manifest" in text
    assert len(text.splitlines()) == 7


def test_a_wrong_blake3_is_found_though_the_sha256_is_right(tree):
    edit(tree, lambda document: document["files"][0].update(blake3="0" * 64))
    assert "has blake3" in refusal(tree)


def test_a_link_is_no_file_of_the_tree(tree):
    path = tree / LINUX / "bash/static/bash"
    path.rename(tree.parent / "bash")
    path.symlink_to(tree.parent / "bash")
    (tree / LINUX / "folder").symlink_to(tree.parent)
    text = refusal(tree)
    assert f"{LINUX}/bash/static/bash: is not a plain file" in text
    assert f"{LINUX}/folder: is not in the manifest" in text


def test_a_target_that_is_missing_is_named(tree):
    assert "aarch64-apple-darwin: the manifest has no such target" in refusal(tree, "aarch64-apple-darwin")


def test_with_targets_only_their_files_are_looked_at(tree):
    (tree / ARM / "stray").write_bytes(b"")
    assert verify(tree, [LINUX]).targets == (ARM, LINUX)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", f"{LINUX}/../x", f"{LINUX}//x", "other/x", "", NAME])
def test_a_path_that_leaves_its_target_is_refused(tree, path):
    edit(tree, lambda document: document["files"][0].update(path=path))
    assert "files[0]" in refusal(tree)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("extra", 1),
        ("mode", "4755"),
        ("component", "dash"),
        ("size", -1),
        ("sha256", "A" * 64),
        ("commit", "main"),
    ],
)
def test_an_entry_that_is_not_of_the_format_is_refused_with_its_place(tree, key, value):
    edit(tree, lambda document: document["files"][1].update({key: value}))
    assert f"files[1].{key}" in refusal(tree)


def test_a_path_that_stands_twice_is_refused(tree):
    manifest = load_manifest(tree)
    edit(tree, lambda document: document["files"].insert(0, document["files"][0]))
    assert "each once" in refusal(tree)
    assert make_manifest(manifest.version, reversed(manifest.files)) == manifest


def test_a_tree_without_a_manifest_is_refused(tmp_path):
    assert "nox -s vendor" in refusal(tmp_path)


def test_a_part_of_a_manifest_holds_only_its_targets(tree):
    part = load_manifest(tree).restricted([ARM])
    assert part.targets == (ARM,)
    assert {file.target for file in part.files} == {ARM}
