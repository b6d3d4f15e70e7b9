import pytest

from shellbuild.errors import RecipeError, UsageError
from shellbuild.platforms import load_platforms, pick_platform
from shellbuild.project import RECIPES


def test_the_table_holds_the_four_targets_of_the_design():
    assert list(load_platforms(RECIPES / "platforms.toml")) == [
        "x86_64-unknown-linux-musl",
        "aarch64-unknown-linux-musl",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
    ]


def test_a_target_listed_twice_is_refused(tmp_path):
    text = (RECIPES / "platforms.toml").read_text(encoding="utf-8")
    path = tmp_path / "platforms.toml"
    path.write_text(text + text[text.index("[[platform]]") :], encoding="utf-8")
    with pytest.raises(RecipeError, match="x86_64-unknown-linux-musl is listed twice"):
        load_platforms(path)


def test_an_unknown_column_is_refused_with_its_row(tmp_path):
    text = (RECIPES / "platforms.toml").read_text(encoding="utf-8")
    path = tmp_path / "platforms.toml"
    path.write_text(text + 'surprise = "x"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"platform\[3\]\.surprise"):
        load_platforms(path)


def test_an_unknown_target_names_the_known_ones():
    with pytest.raises(UsageError, match="x86_64-unknown-linux-musl"):
        pick_platform(load_platforms(RECIPES / "platforms.toml"), "vax")
