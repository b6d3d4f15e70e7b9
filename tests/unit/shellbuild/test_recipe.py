from pathlib import Path

import pytest

from shellbuild.errors import RecipeError
from shellbuild.project import RECIPES, load_project
from shellbuild.recipe import load_recipe

GOOD = """
name = "tool"
homepage = "https://example.org/"
license = "MIT"
license_files = ["COPYING"]
default_release = "1.0"
outputs = ["tool"]
[allowed_libraries]
linux = []
[configure]
arguments = ["--plain"]
[configure.site]
answer = "yes"
[[overrides]]
platforms = ["x86_64-unknown-linux-musl"]
[overrides.configure]
arguments = ["--more"]
[overrides.configure.site]
answer = "no"
[releases."1.0".sources.archive]
url = "https://example.org/tool-1.0.tar.gz"
sha256 = "{digest}"
size = 10
""".replace("{digest}", "a" * 64)

TARGETS = frozenset({"x86_64-unknown-linux-musl"})


def load(folder: Path, text: str, name: str = "tool"):
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, targets=TARGETS, patches=folder)


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load(folder, text)
    assert str(folder / "tool.toml") in str(caught.value)
    return caught.value.problems


def test_a_good_recipe_loads_and_is_frozen(tmp_path):
    recipe = load(tmp_path, GOOD)
    assert recipe.release(None)[0] == "1.0"
    with pytest.raises(AttributeError):
        recipe.name = "other"


def test_overrides_add_arguments_and_later_site_answers_win(tmp_path):
    merged = load(tmp_path, GOOD).configure_for("x86_64-unknown-linux-musl")
    assert merged.arguments == ("--plain", "--more")
    assert merged.site == {"answer": "no"}


def test_other_targets_get_the_plain_settings(tmp_path):
    assert load(tmp_path, GOOD).configure_for("aarch64-apple-darwin").site == {"answer": "yes"}


def test_an_unknown_release_names_the_known_ones(tmp_path):
    with pytest.raises(RecipeError, match=r"no '2\.0'; there are 1\.0"):
        load(tmp_path, GOOD).release("2.0")


def test_every_problem_is_reported_at_once_with_its_key_path(tmp_path):
    text = (
        GOOD.replace('"' + "a" * 64 + '"', '"short"')
        .replace("size = 10", "surprise = 1")
        .replace('license = "MIT"', "license = 3")
    )
    problems = problems_of(tmp_path, text)
    for path in (
        "license",
        "releases.1.0.sources.archive.sha256",
        "releases.1.0.sources.archive.size",
        "releases.1.0.sources.archive.surprise",
    ):
        assert any(problem.startswith(f"{path}: ") for problem in problems), path


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('url = "https:', 'url = "http:', "releases.1.0.sources.archive.url"),
        ("size = 10", "size = 0", "releases.1.0.sources.archive.size"),
        ("size = 10", 'size = "10"', "releases.1.0.sources.archive.size"),
        ('default_release = "1.0"', 'default_release = "2.0"', "default_release: no release '2.0'"),
        ('name = "tool"', 'name = "other"', "name: 'other' is not the file's name"),
        ('platforms = ["x86_64-unknown-linux-musl"]', 'platforms = ["vax"]', "overrides[0].platforms: 'vax'"),
        ('[releases."1.0".sources', 'patches = ["../x"]\n[releases."1.0".sources', "patches"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path, old, new, problem):
    assert any(problem in found for found in problems_of(tmp_path, GOOD.replace(old, new)))


def test_a_release_without_a_source_is_refused(tmp_path):
    text = GOOD.split("[releases.")[0] + '[releases."1.0".sources]\n'
    assert problems_of(tmp_path, text) == ["releases.1.0.sources: needs git, archive or distro"]


def test_a_patch_that_is_not_there_is_refused(tmp_path):
    text = GOOD.replace(
        '[releases."1.0".sources', '[releases."1.0"]\npatches = ["a.patch"]\n[releases."1.0".sources'
    )
    assert problems_of(tmp_path, text) == [f"releases.1.0.patches[0]: no file {tmp_path / 'a.patch'}"]


def test_toml_that_does_not_parse_says_where(tmp_path):
    assert "line 2" in problems_of(tmp_path, "name = 1\nname = = 1\n")[0]


def test_a_missing_file_is_a_recipe_error(tmp_path):
    with pytest.raises(RecipeError, match="No such file"):
        load_recipe(tmp_path / "none.toml", targets=TARGETS, patches=tmp_path)


def test_the_recipes_of_the_project_load():
    assert set(load_project().recipes) == {path.stem for path in RECIPES.glob("*.toml")} - {
        "native",
        "platforms",
    }


def test_no_more_than_three_unstable_scripts_are_listed_for_a_release_and_each_has_a_reason():
    for recipe in load_project().recipes.values():
        for release in recipe.releases.values():
            assert len(release.unstable_tests) <= 3
            assert all(len(reason) > 20 for reason in release.unstable_tests.values())
