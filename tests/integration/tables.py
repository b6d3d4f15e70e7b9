"""Tables of scripts as test parameters: one test for each row and each shell that the row is for."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

BOTH = ("bash", "zsh")
BASH = ("bash",)
ZSH = ("zsh",)


@dataclass(frozen=True, slots=True)
class Case:
    """A script; what it should lead to is up to the table. Places are filled in as by Arena.fill."""

    name: str
    script: str
    expected: tuple[str, ...] = ()
    shells: tuple[str, ...] = BOTH


def case(name: str, script: str, *expected: str, shells: tuple[str, ...] = BOTH) -> Case:
    return Case(name, script, expected, shells)


def each(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Parametrise a test over (shell, row), without rows that are not for a shell."""
    rows = [
        pytest.param(shell, row, id=f"{shell}-{row.name}".replace(" ", "_"))
        for row in cases
        for shell in row.shells
    ]
    return pytest.mark.parametrize(("shell", "row"), rows, indirect=["shell"])
