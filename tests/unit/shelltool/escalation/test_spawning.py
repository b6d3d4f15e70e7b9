"""What a keeper is told of a process to start."""

import pytest

from shelltool.errors import ProtocolError
from shelltool.escalation.spawning import Strings, Variables


def test_strings_are_laid_out_one_after_the_other_with_their_bytes():
    strings = Strings("/bin/x", ["x", "\udcff"], Variables({"A": "é", "B": ""}))
    assert strings.block == b"/bin/x\0x\0\xff\0A=\xc3\xa9\0B=\0"
    assert (strings.argument_count, strings.variable_count) == (2, 2)


@pytest.mark.parametrize(("argv", "env"), [(["a\0b"], {}), ([], {"A": "b\0c"}), ([], {"A\0": ""})])
def test_a_nul_in_a_string_starts_nothing(argv, env):
    with pytest.raises(ProtocolError, match="a NUL in its"):
        Strings("/bin/x", argv, Variables(env))
