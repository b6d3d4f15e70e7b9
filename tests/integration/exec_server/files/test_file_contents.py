"""`fs/readFile`, `fs/writeFile` and handles, of every kind of file service."""

import base64
import errno
import os
import stat

import pytest

from shelltool.exec_server.errors import RpcError
from shelltool.exec_server.files import messages as m


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_what_was_written_is_read(subject):
    subject("writeFile", path=subject.path("f"), dataBase64=b64(b"\0\xff\n" * 1000))
    assert subject("readFile", path=subject.path("f")).data_base64 == b"\0\xff\n" * 1000
    assert (subject.folder / "f").read_bytes() == b"\0\xff\n" * 1000


def test_a_file_of_no_bytes_is_read(subject):
    subject.put("empty", b"")
    assert subject("readFile", path=subject.path("empty")).data_base64 == b""


def test_a_file_whose_size_the_kernel_does_not_know_is_read(subject):
    assert b"Linux" in subject("readFile", path="/proc/version").data_base64


def test_writing_replaces_what_was_there_and_keeps_the_file(subject):
    path = subject.put("f", b"a much longer text")
    before = os.stat(path)
    subject("writeFile", path=path, dataBase64=b64(b"short"))
    assert (subject.folder / "f").read_bytes() == b"short"
    assert os.stat(path).st_ino == before.st_ino


def test_a_new_file_has_the_mode_of_the_umask(umask, subject):
    subject("writeFile", path=subject.path("f"), dataBase64="")
    assert stat.S_IMODE(os.stat(subject.path("f")).st_mode) == 0o666 & ~umask


def test_writing_follows_links_also_to_what_is_not_there(subject):
    subject.put("there")
    (subject.folder / "sub").mkdir()
    os.symlink("there", subject.path("link"))
    os.symlink("../new", subject.path("sub", "dangling"))
    os.symlink(subject.path("sub", "dangling"), subject.path("two"))
    subject("writeFile", path=subject.path("link"), dataBase64=b64(b"1"))
    subject("writeFile", path=subject.path("two"), dataBase64=b64(b"2"))
    assert (subject.folder / "there").read_bytes() == b"1"
    assert (subject.folder / "new").read_bytes() == b"2"


def test_a_link_to_itself_is_an_error(subject):
    os.symlink("loop", subject.path("loop"))
    error = subject.refused("writeFile", path=subject.path("loop"), dataBase64="")
    assert (error.code, error.message) == (-32603, "Symbolic link loop (os error 40)")


@pytest.mark.parametrize(
    ("method", "extra"), [("readFile", {}), ("getMetadata", {}), ("writeFile", {"dataBase64": ""})]
)
def test_no_link_is_followed_where_none_may_be(subject, method, extra):
    subject.put("real/f")
    os.symlink("real", subject.path("folder"))
    os.symlink("real/f", subject.path("file"))
    for path in (subject.path("folder", "f"), subject.path("file")):
        error = subject.refused(method, path=path, followSymlinks=False, **extra)
        assert error.data["errno"] in {errno.ELOOP, errno.ENOTDIR}
    subject(method, path=subject.path("real", "f"), followSymlinks=False, **extra)


def test_errors_say_which_and_where(subject):
    error = subject.refused("readFile", path=subject.path("no such"))
    assert (error.code, error.message) == (-32004, "No such file or directory (os error 2)")
    assert error.data == {"errno": 2, "path": f"file://{subject.path()}/no%20such"}


def test_a_folder_above_has_to_be_there_and_be_one(subject):
    subject.put("f")
    assert subject.refused("writeFile", path=subject.path("no", "f"), dataBase64="").code == -32004
    error = subject.refused("writeFile", path=subject.path("f", "f"), dataBase64="")
    assert (error.code, error.data["errno"]) == (-32603, errno.ENOTDIR)


def test_only_files_are_read(subject):
    os.mkfifo(subject.path("fifo"))
    for path in (subject.path(), subject.path("fifo"), "/dev/zero"):
        error = subject.refused("readFile", path=path)
        assert error.code == -32600
        if path != "/dev/zero":
            assert error.message == f"path `{path}` is not a file"


def test_writing_into_a_named_pipe_that_nobody_reads_does_not_wait(subject):
    os.mkfifo(subject.path("fifo"))
    assert (
        subject.refused("writeFile", path=subject.path("fifo"), dataBase64="aGk=").data["errno"]
        == errno.ENXIO
    )


def test_a_file_that_is_too_large_is_not_read(subject):
    with open(subject.path("big"), "wb") as file:
        file.truncate((512 << 20) + 1)
    error = subject.refused("readFile", path=subject.path("big"))
    assert (error.code, error.message) == (-32600, "file is too large to read: limit is 536870912 bytes")


@pytest.mark.parametrize("text", ["!", "aGk", "a Gk=", "aGk=\n"])
def test_what_is_no_base64_has_a_code_of_its_own(text):
    with pytest.raises(RpcError) as raised:
        m.WriteFile.model_validate({"path": "/f", "dataBase64": text})
    assert raised.value.code == -32600
    assert raised.value.message.startswith("fs/writeFile requires valid base64 dataBase64: ")


def test_names_that_are_not_text_are_reached_by_uri(subject):
    subject("writeFile", path=f"file://{subject.path()}/%FF", dataBase64=b64(b"x"))
    assert os.listdir(os.fsencode(subject.path())) == [b"\xff"]
    assert subject("readFile", path=f"file://{subject.path()}/%FF").data_base64 == b"x"


def test_a_file_is_read_in_blocks(subject):
    subject.put("f", b"0123456789")
    assert subject("open", path=subject.path("f"), handleId="h").handle_id == "h"
    block = subject("readBlock", handleId="h", offset=0, len=8)
    assert (block.chunk, block.eof) == (b"01234567", False)
    block = subject("readBlock", handleId="h", offset=8, len=8)
    assert (block.chunk, block.eof) == (b"89", True)
    assert subject("readBlock", handleId="h", offset=100, len=1).eof
    subject("close", handleId="h")
    subject("close", handleId="h")
    error = subject.refused("readBlock", handleId="h", offset=0, len=1)
    assert (error.code, error.message) == (-32004, "unknown file handle `h`")


def test_a_handle_outlives_the_name_of_its_file(subject):
    path = subject.put("f", b"still there")
    subject("open", path=path, handleId="h")
    os.unlink(path)
    assert subject("readBlock", handleId="h", offset=0, len=100).chunk == b"still there"


def test_a_file_is_written_in_blocks_with_holes(subject):
    subject.put("f", b"old")
    subject("open", path=subject.path("f"), handleId="h", mode="replace")
    subject("writeBlock", handleId="h", offset=4, chunk=b64(b"end"))
    subject("writeBlock", handleId="h", offset=0, chunk=b64(b"st"))
    subject("close", handleId="h")
    assert (subject.folder / "f").read_bytes() == b"st\0\0end"


def test_a_handle_is_for_reading_or_for_writing(subject):
    subject.put("f")
    subject("open", path=subject.path("f"), handleId="r")
    subject("open", path=subject.path("f"), handleId="w", mode="replace")
    assert subject.refused("writeBlock", handleId="r", offset=0, chunk="aGk=").data["errno"] == errno.EBADF
    assert subject.refused("readBlock", handleId="w", offset=0, len=1).data["errno"] == errno.EBADF


def test_handles_are_of_regular_files(subject):
    error = subject.refused("open", path=subject.path(), handleId="h")
    assert (error.code, error.message) == (-32600, f"path `{subject.path()}` is not a file")
    subject.put("f")
    subject("open", path=subject.path("f"), handleId="h")


def test_handles_have_limits(subject):
    subject.put("f")
    too_long = "file handle ID must not exceed 32 bytes"
    assert subject.refused("open", path=subject.path("f"), handleId="é" * 17).message == too_long
    for number in range(128):
        subject("open", path=subject.path("f"), handleId=f"h{number}")
    taken = subject.refused("open", path=subject.path("f"), handleId="h1")
    assert taken.message == "file handle `h1` already exists"
    many = subject.refused("open", path=subject.path("f"), handleId="h128")
    assert (many.code, many.message) == (-32600, "at most 128 file handles may be open per connection")


@pytest.mark.parametrize("length", [0, (1 << 20) + 1])
def test_blocks_have_a_limit(subject, length):
    subject.put("f")
    subject("open", path=subject.path("f"), handleId="h")
    error = subject.refused("readBlock", handleId="h", offset=0, len=length)
    assert (error.code, error.message) == (-32600, "file read block length must be between 1 and 1048576")
