import pytest

from shellbuild.builder.workspace import replace_once
from shellbuild.errors import StepError


def test_an_edit_must_match_exactly_once(tmp_path):
    path = tmp_path / "Makefile"
    path.write_text("a b a", encoding="utf-8")
    replace_once(path, "b", "c")
    assert path.read_text(encoding="utf-8") == "a c a"
    for absent in ("b", "a"):
        with pytest.raises(StepError, match="Makefile: expected"):
            replace_once(path, absent, "x")
