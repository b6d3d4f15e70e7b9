"""docs/security.md names a test for each attack; this keeps it from naming one that is not there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CITED = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)))
PLACES = sorted(set(re.findall(r"`((?:tests|src|docs|native|patches)/[\w./-]+)`", PAGE)))


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize(("file", "test"), CITED)
def test_each_test_that_the_page_names_exists(file: str, test: str) -> None:
    found = list((ROOT / "tests").rglob(file))
    assert len(found) == 1, f"{file} stands at {found}"
    assert test in names_in(found[0])


@pytest.mark.parametrize("place", PLACES)
def test_each_file_that_the_page_names_exists(place: str) -> None:
    assert (ROOT / place).exists()


def test_the_page_names_tests_in_no_other_form() -> None:
    """Or a name could go stale unseen."""
    assert len(CITED) > 80
    assert PAGE.count("::") - 1 == len(re.findall(r"`test_\w+\.py::test_\w+`", PAGE))
