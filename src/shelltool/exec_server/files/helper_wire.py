"""The messages between us and the helper inside a sandbox, `native/sandbox_files.c`.

One request, one reply, each a packet; descriptors travel with them. Pure: from calls to bytes and back.
"""

import errno
import os
import struct
from enum import IntEnum

from shelltool.exec_server.files.entries import system_error
from shelltool.exec_server.files.status import Status

REQUEST = struct.Struct("=IIIHHHxx")
"""The call, its flags and mode, which of the two places have a folder, the lengths of the two texts."""
REPLY = struct.Struct("=iI")
"""An errno or 0, and the size of what follows."""
STATUS = struct.Struct("=IIIxxxxQQQqq")
"""Mode, whether there is a time of creation, links; size, device, inode; times of change and creation."""
TEXT_LIMIT = 4095
REPLY_LIMIT = REPLY.size + TEXT_LIMIT + 1


class Call(IntEnum):
    """What is asked for."""

    READY = 0
    OPEN = 1
    STATUS = 2
    MAKE_FOLDER = 3
    REMOVE_FILE = 4
    REMOVE_FOLDER = 5
    RENAME = 6
    MAKE_LINK = 7
    READ_LINK = 8
    REAL_PATH = 9


def request(
    call: Call, first: str = "", second: str = "", *, flags: int = 0, mode: int = 0, folders: int = 0
) -> bytes:
    """Put a request into bytes; an OSError says that the kernel would not take such a path."""
    texts = [os.fsencode(first), os.fsencode(second)]
    for text, name in zip(texts, (first, second), strict=True):
        if len(text) > TEXT_LIMIT:
            raise system_error(errno.ENAMETOOLONG, name)
        if b"\0" in text:
            raise system_error(errno.EINVAL, name)
    head = REQUEST.pack(call, flags, mode, folders, len(texts[0]), len(texts[1]))
    return b"".join((head, *texts))


def reply(packet: bytes) -> tuple[int, bytes]:
    """Take a reply apart: the error number, and what follows. ValueError: that is none."""
    if len(packet) < REPLY.size:
        raise ValueError("a reply is too short")
    number, size = REPLY.unpack_from(packet)
    body = packet[REPLY.size :]
    if len(body) != size or number < 0:
        raise ValueError("a reply does not fit together")
    return number, body


def status(body: bytes) -> Status:
    """Read what a file is. ValueError: that is none."""
    if len(body) != STATUS.size:
        raise ValueError("a status has another size")
    mode, born, _, size, device, inode, modified_ns, born_ns = STATUS.unpack(body)
    return Status(
        mode=mode,
        size=size,
        modified_ns=modified_ns,
        born_ns=born_ns if born else None,
        identity=(device, inode),
    )
