"""What released files may weigh: every kind that people download has a limit, and what is over it is named."""

import pytest

from shellbuild.budgets import Budget, BudgetTable, check_budgets, load_budgets
from shellbuild.errors import PackageError, RecipeError
from shellbuild.release_plan import default_tag, plan_release

PROMISED = {"npm": 9_000_000, "wheels": 3_500_000, "archives": 1_200_000}
"""What the project promises of a download (its issue on releases)."""
TABLE = BudgetTable(budget=(Budget(files="*.tgz", largest=10), Budget(files="*", largest=20)))


@pytest.mark.parametrize("kind", PROMISED)
def test_every_download_has_the_limit_that_was_promised(kind):
    names = plan_release(default_tag()).files()[kind]
    limits = {name: budget and budget.largest for name in names for budget in [load_budgets().of(name)]}
    assert limits == dict.fromkeys(names, PROMISED[kind])


def test_a_file_up_to_its_limit_is_fine(tmp_path):
    (tmp_path / "a.tgz").write_bytes(b"x" * 10)
    check_budgets(tmp_path.iterdir(), TABLE)


def test_every_file_over_its_limit_is_named_with_what_it_is_over(tmp_path):
    for name in ("a.tgz", "b.whl", "c.whl"):
        (tmp_path / name).write_bytes(b"x" * (21 if name != "c.whl" else 20))
    with pytest.raises(PackageError) as caught:
        check_budgets(sorted(tmp_path.iterdir()), TABLE)
    assert str(caught.value).splitlines()[1:] == [
        "a.tgz: 21 bytes, 11 more than *.tgz may weigh",
        "b.whl: 21 bytes, 1 more than * may weigh",
    ]


def test_a_limit_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "budgets.toml"
    path.write_text('[[budget]]\nfiles = "*"\nlargest = "9 MB"\n', encoding="utf-8")
    with pytest.raises(RecipeError, match="largest"):
        load_budgets(path)
