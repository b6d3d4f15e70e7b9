"""Handles: their descriptors are closed exactly once, whoever else uses them."""

import os
import threading

import pytest

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files.handles import Handles

DEADLINE_S = 10.0


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def opened():
    """Descriptors, in the order of their opening."""
    return []


def opener(path, opened):
    def run():
        opened.append(os.open(path, os.O_RDWR))
        return opened[-1]

    return run


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_closing_a_handle_closes_its_file(file, opened):
    handles = Handles()
    handles.open("h", opener(file, opened))
    handles.close("h")
    assert not is_open(opened[0])


def test_an_id_is_free_again_when_opening_failed(file, opened):
    handles = Handles(limit=1)

    def fail():
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        handles.open("h", fail)
    handles.open("h", opener(file, opened))
    handles.close_all()


def test_what_is_opened_when_the_connection_is_gone_is_closed(file, opened):
    handles = Handles()

    def slow():
        handles.close_all()
        return opener(file, opened)()

    handles.open("h", slow)
    assert not is_open(opened[0])
    with pytest.raises(RpcError, match="unknown file handle `h`"):
        handles.read("h", 0, 1)


def test_a_file_is_closed_once_when_the_connection_ends_just_after_its_opening(file, opened):
    handles = Handles()
    others: list[int] = []

    class EndsWhenLetGo:
        """The lock; at its second letting go, when the handle is kept, the connection ends."""

        def __init__(self, lock):
            self._lock, self._times = lock, 0

        def __enter__(self):
            return self._lock.__enter__()

        def __exit__(self, *error):
            self._lock.__exit__(*error)
            self._times += 1
            if self._times == 2:
                handles.close_all()
                opener(file, others)()

    handles._lock = EndsWhenLetGo(handles._lock)  # type: ignore[assignment]
    handles.open("h", opener(file, opened))
    assert others == opened
    assert is_open(others[0])
    os.close(others[0])


def test_a_file_stays_open_while_it_is_read(file, opened):
    handles = Handles()
    handles.open("h", opener(file, opened))
    with handles._used("h") as fd:
        closing = threading.Thread(target=handles.close_all)
        closing.start()
        closing.join(DEADLINE_S)
        assert is_open(fd)
    assert not is_open(opened[0])


def test_blocks_that_come_in_pieces_are_put_together(file, opened, monkeypatch):
    handles = Handles()
    handles.open("h", opener(file, opened))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, min(3, length), offset))
    assert handles.read("h", 1, 8) == (b"12345678", False)
    assert handles.read("h", 1, 100) == (b"123456789", True)
    real_write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real_write(fd, data[:2], offset))
    handles.write("h", 2, b"abcde")
    assert file.read_bytes() == b"01abcde789"
    handles.close_all()


@pytest.mark.parametrize("offset", [-1, 1 << 63])
def test_offsets_that_no_file_has_are_refused(file, opened, offset):
    handles = Handles()
    handles.open("h", opener(file, opened))
    with pytest.raises(OSError, match="Invalid argument"):
        handles.read("h", offset, 1)
    handles.close_all()
