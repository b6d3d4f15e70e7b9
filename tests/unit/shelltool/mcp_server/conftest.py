"""What tests of the tool's results share."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def check_form() -> Callable[[Any, Any], None]:
    """Compare an instance with its JSON schema."""
    # Late, because every worker would pay for it: beside the grammars of all formats its import takes seconds.
    import jsonschema  # type: ignore[import-untyped]

    validate: Callable[[Any, Any], None] = jsonschema.validate
    return validate
