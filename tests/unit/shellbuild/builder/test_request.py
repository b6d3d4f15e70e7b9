import dataclasses

import pytest

from shellbuild.builder import make_request
from shellbuild.errors import RecipeError, UsageError
from shellbuild.sanitize import Sanitize
from shellbuild.sources import Provider


@pytest.fixture
def request_of_bash():
    return make_request("bash", target="x86_64-unknown-linux-musl")


def test_equal_requests_have_equal_keys(request_of_bash):
    assert request_of_bash.keys() == make_request("bash", target="x86_64-unknown-linux-musl").keys()


@pytest.mark.parametrize(
    "change",
    [
        {"patched": False},
        {"release": "5.2.37"},
        {"target": "aarch64-unknown-linux-musl"},
    ],
)
def test_whatever_changes_the_result_changes_the_key(request_of_bash, change):
    other = make_request("bash", **{"target": "x86_64-unknown-linux-musl", **change})
    assert set(other.keys().values()).isdisjoint(request_of_bash.keys().values())


def test_a_flag_in_the_recipe_changes_the_key(request_of_bash):
    recipe = request_of_bash.recipe
    louder = dataclasses.replace(recipe, configure=dataclasses.replace(recipe.configure, cflags=("-O3",)))
    other = dataclasses.replace(request_of_bash, recipe=louder)
    assert other.key(Provider.DISTRO) != request_of_bash.key(Provider.DISTRO)


def test_a_changed_dependency_changes_the_key(request_of_bash, monkeypatch):
    before = request_of_bash.key(Provider.DISTRO)
    other = make_request("ncurses", target="aarch64-unknown-linux-musl")
    monkeypatch.setattr(
        type(request_of_bash),
        "dependencies",
        lambda request: {"ncurses": other} if request.recipe.name == "bash" else {},
    )
    assert request_of_bash.key(Provider.DISTRO) != before


def test_the_number_of_jobs_is_not_part_of_the_key(request_of_bash):
    assert dataclasses.replace(request_of_bash, jobs=7).keys() == request_of_bash.keys()


def test_git_and_tarball_sources_have_different_keys(request_of_bash):
    keys = request_of_bash.keys()
    assert list(keys) == [Provider.GIT, Provider.ARCHIVE, Provider.DISTRO]
    assert len(set(keys.values())) == 3


def test_asking_for_one_provider_gives_its_key_only():
    assert list(make_request("bash", source="distro").keys()) == [Provider.DISTRO]


def test_a_cross_build_of_ncurses_needs_the_native_one():
    assert set(make_request("ncurses", target="aarch64-apple-darwin").dependencies()) == {"ncurses-native"}


def test_unpatched_and_patched_shells_share_their_libraries(request_of_bash):
    unpatched = dataclasses.replace(request_of_bash, patched=False)
    library, other = request_of_bash.dependencies()["ncurses"], unpatched.dependencies()["ncurses"]
    assert library.keys() == other.keys()


def test_labels_tell_builds_apart():
    labels = {
        make_request("bash").label,
        make_request("bash", patched=False).label,
        make_request("bash", release="5.2.37").label,
        make_request("bash", sanitize=Sanitize.ADDRESS).label,
    }
    assert len(labels) == 4


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="no recipe 'fish'"):
        make_request("fish")
    with pytest.raises(UsageError, match="no target 'vax'"):
        make_request("bash", target="vax")
    with pytest.raises(RecipeError, match="no '9'"):
        make_request("bash", release="9")
