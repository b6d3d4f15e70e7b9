import pytest

from shellbuild.errors import RecipeError
from shellbuild.native_recipe import load_native
from shellbuild.project import NATIVE, RECIPES, load_project

TEXT = """
license = "Apache-2.0"
license_files = ["LICENSE"]
[allowed_libraries]
linux = []
macos = []
[[program]]
name = "one"
source = "one.c"
os = ["linux"]
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "one.c").write_text("int main(void) { return 0; }\n", encoding="utf-8")

    def write(text):
        path = tmp_path / "native.toml"
        path.write_text(text, encoding="utf-8")
        return load_native(path, sources=tmp_path)

    return write


def test_a_program_exists_where_its_row_says(recipe):
    platforms = load_project().platforms
    found = recipe(TEXT)
    assert [one.name for one in found.programs_for(platforms["x86_64-unknown-linux-musl"])] == ["one"]
    assert found.programs_for(platforms["aarch64-apple-darwin"]) == ()


def test_all_that_is_wrong_is_reported_at_once(recipe):
    repeated = TEXT[TEXT.index("[[program]]") :].replace("one.c", "other.c")
    with pytest.raises(RecipeError) as caught:
        recipe(TEXT + repeated)
    assert "one is listed twice" in str(caught.value)
    assert "program[1].source: no file" in str(caught.value)


def test_an_unknown_key_is_refused(recipe):
    with pytest.raises(RecipeError, match="colour"):
        recipe(TEXT + 'colour = "red"\n')


def test_every_program_of_the_project_is_one_that_the_manifest_knows():
    from shellbuild.vendor.content import _component

    for program in load_native(RECIPES / "native.toml", sources=NATIVE).program:
        assert _component(program.name) == program.name
