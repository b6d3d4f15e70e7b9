"""Files without a name, in memory or not."""

import os

import pytest

from shelltool.nameless_file import file_of


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_was_put_in_is_read_from_the_start_and_the_descriptor_is_closed(monkeypatch, in_memory):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    content = os.urandom(1 << 20)
    with file_of(content) as fd:
        assert not os.get_inheritable(fd)
        with os.fdopen(os.dup(fd), "rb") as file:
            assert file.read() == content
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
