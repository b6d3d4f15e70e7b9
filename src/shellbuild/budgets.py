"""What released files may weigh: `packaging/budgets.toml`, read and held.

Every packer calls `check_budgets` on what it made, so a release that grew past its limits fails where it is packed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import ConfigDict, PositiveInt, with_config

from shellbuild.errors import PackageError
from shellbuild.recipe import load_toml
from shellbuild.templates import PACKAGING

FILE = PACKAGING / "budgets.toml"

_CONFIG = ConfigDict(extra="forbid", strict=True)


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit for the files of one kind."""

    files: str
    largest: PositiveInt


@with_config(_CONFIG)
@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTable:
    """All limits; the first whose pattern fits a name is that file's."""

    budget: tuple[Budget, ...]

    def of(self, name: str) -> Budget | None:
        """Give the limit of a file, if it has one."""
        return next((one for one in self.budget if fnmatchcase(name, one.files)), None)


def load_budgets(path: Path | None = None) -> BudgetTable:
    """Read the limits; raise RecipeError for a file that is wrong."""
    return load_toml(path or FILE, BudgetTable)


def check_budgets(files: Iterable[Path], table: BudgetTable | None = None) -> None:
    """Raise PackageError naming every file that weighs more than its limit."""
    table = table or load_budgets()
    heavy = [
        f"{path.name}: {size:,} bytes, {size - budget.largest:,} more than {budget.files} may weigh"
        for path in files
        if (budget := table.of(path.name)) and (size := path.stat().st_size) > budget.largest
    ]
    if heavy:
        raise PackageError("\n".join([f"too large; find out why, or raise the limit in {FILE}:", *heavy]))
