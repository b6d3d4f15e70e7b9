"""A tree that is true to its manifest may still be a mixture; what it is of is compared with this checkout's recipes."""

import pytest

from shellbuild.manifest import load_manifest
from shellbuild.origins import origin_problems, source_provider
from unit.shellbuild.trees import ARM, LINUX, WHOLE, git_commit, made_of, make_tree

GIT = {"commit": git_commit("zsh"), "source_sha256": None}


@pytest.fixture
def files(tmp_path):
    return load_manifest(make_tree(tmp_path / "vendor", LINUX, ARM, content=WHOLE)).files


def changed(files, component, target, **facts):
    return [
        file.model_copy(update=facts) if (file.component, file.target) == (component, target) else file
        for file in files
    ]


def test_what_this_checkout_makes_is_of_one_origin(files):
    assert origin_problems(files) == []


@pytest.mark.parametrize(
    ("what", "facts"),
    [
        ("version 5.2.37", {"upstream_version": "5.2.37"}),
        (f"source git:{'0' * 40}", {"commit": "0" * 40, "source_sha256": None}),
        (f"patch digest {'1' * 64}", {"patch_digest": "1" * 64}),
        ("patch digest none", {"patch_digest": None}),
        ("toolchain ziglang 0.1", {"toolchain": "ziglang 0.1"}),
    ],
)
def test_a_component_of_something_else_is_named_with_its_target(files, what, facts):
    (problem,) = origin_problems(changed(files, "bash", ARM, **facts))
    assert problem.startswith(f"{ARM}: bash is of {what}, not ")


def test_our_own_programs_of_older_sources_are_named(files):
    (problem,) = origin_problems(changed(files, "codex-execve-wrapper", LINUX, source_sha256="2" * 64))
    expected = made_of("codex-execve-wrapper")["source_sha256"]
    assert problem == f"{LINUX}: codex-execve-wrapper is of source sha256:{'2' * 64}, not sha256:{expected}"


def test_targets_of_two_sources_that_the_recipe_both_lists_are_no_release(files):
    (problem,) = origin_problems(changed(files, "zsh", LINUX, **GIT))
    assert problem == (
        f"zsh: not of one source, but git:{GIT['commit']} for {LINUX};"
        f" sha256:{made_of('zsh')['source_sha256']} for {ARM}; build all with one --source"
    )


def test_everything_is_named_at_once(files):
    mixed = changed(changed(files, "zsh", LINUX, **GIT), "bash", ARM, toolchain="x", patch_digest=None)
    assert len(origin_problems(mixed)) == 3


def test_the_provider_of_a_source_is_found_by_what_it_pins(files):
    assert source_provider("zsh", files) == "distro"
    both = changed(changed(files, "zsh", LINUX, **GIT), "zsh", ARM, **GIT)
    assert source_provider("zsh", both) == "git"
