"""The params and results of `fs/*`."""

import binascii
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from shelltool.exec_server.errors import invalid_request
from shelltool.exec_server.messages import U64, Base64, Message, SandboxObject, decode_base64
from shelltool.exec_server.paths import WirePath

WATCHED_LIMIT = 1024
LARGE_BYTES = 1 << 20
ENCODING_STEP = 3 << 16
"""Bytes; whole groups of three."""
_DATA = b'{"dataBase64":"'
_DATA_END = b'"}'


def _data_of_write_file(value: object) -> object:
    """Read base64; what is none has a code of its own, unlike everywhere else."""
    try:
        return decode_base64(value)
    except ValueError as error:
        raise invalid_request(f"fs/writeFile requires valid base64 dataBase64: {error}") from error


OnByDefault = Annotated[bool, BeforeValidator(lambda value: True if value is None else value)]
OffByDefault = Annotated[bool, BeforeValidator(lambda value: False if value is None else value)]
"""An option; null is as good as nothing."""


class Sandboxed(Message):
    """What every request that names a path has."""

    sandbox: SandboxObject = None


class OnePath(Sandboxed):
    """A request about one path."""

    path: WirePath


class ReadFile(OnePath):
    """`fs/readFile`."""

    follow_symlinks: OnByDefault = True


class ReadFileResult(Message):
    """What is in the file."""

    data_base64: Base64

    @property
    def is_large(self) -> bool:
        """See `Message`."""
        return len(self.data_base64) > LARGE_BYTES

    def wire_json(self) -> bytearray:
        """Give the JSON that pydantic would, in half the time: nothing in base64 needs escaping.

        For a thread: it takes a while, in steps that let others run.
        """
        data = memoryview(self.data_base64)
        place = len(_DATA)
        wire = bytearray(place + (len(data) + 2) // 3 * 4 + len(_DATA_END))
        wire[:place] = _DATA
        for start in range(0, len(data), ENCODING_STEP):
            encoded = binascii.b2a_base64(data[start : start + ENCODING_STEP], newline=False)
            wire[place : place + len(encoded)] = encoded
            place += len(encoded)
        wire[place:] = _DATA_END
        return wire


class WriteFile(OnePath):
    """`fs/writeFile`."""

    data_base64: Annotated[Base64, BeforeValidator(_data_of_write_file)]
    follow_symlinks: OnByDefault = True


class CreateDirectory(OnePath):
    """`fs/createDirectory`."""

    recursive: OnByDefault = True
    follow_symlinks: OnByDefault = True


class GetMetadata(OnePath):
    """`fs/getMetadata`."""

    follow_symlinks: OnByDefault = True


class Metadata(Message):
    """What a file is. A named pipe, a socket and a device are neither of the three."""

    is_directory: bool
    is_file: bool
    is_symlink: bool = Field(description="whether the path itself is a symbolic link")
    size: U64 = Field(default=0, description="older servers leave it out")
    created_at_ms: U64 = Field(description="0 where the file system does not keep it")
    modified_at_ms: U64


class Lstat(OnePath):
    """`fs/lstat`."""


class ReadLink(OnePath):
    """`fs/readlink`."""


class LinkTarget(Message):
    """What a symbolic link says."""

    target: str = Field(description="as text; bytes that are not UTF-8 are replaced")
    target_base64: Base64 = Field(description="as it is")


class Canonicalize(OnePath):
    """`fs/canonicalize`."""


class CanonicalPath(Message):
    """The path without links, `.` and `..`."""

    path: WirePath


class ReadDirectory(OnePath):
    """`fs/readDirectory`."""


class DirectoryEntry(Message):
    """A name in a folder. The kind is that of what a link leads to; a link to nothing has none."""

    file_name: str = Field(description="bytes that are not UTF-8 are replaced")
    is_directory: bool
    is_file: bool
    is_symlink: bool = Field(default=False, description="whether the entry itself is a symbolic link")


class Directory(Message):
    """What is in a folder, in the file system's order."""

    entries: list[DirectoryEntry]


class WalkOptions(Message):
    """How far a walk goes."""

    max_depth: U64 = Field(description="0: only what is in the folder itself; at most 64")
    max_directories: U64 = Field(description="folders that are listed, the first included; 1 to 10000")
    max_entries: U64 = Field(description="entries that are looked at; 1 to 50000")
    follow_directory_symlinks: bool
    prune_hidden_directories: OffByDefault = False


class Walk(OnePath):
    """`fs/walk`."""

    options: WalkOptions


class WalkEntry(Message):
    """A file or a folder below the first one."""

    path: WirePath
    kind: Literal["directory", "file"]


class WalkError(Message):
    """A folder that could not be read."""

    path: WirePath
    message: str


class WalkResult(Message):
    """What a walk found, breadth first, names sorted in each folder."""

    entries: list[WalkEntry]
    errors: list[WalkError]
    truncated: bool


class Remove(OnePath):
    """`fs/remove`."""

    recursive: OnByDefault = True
    force: OnByDefault = True
    follow_symlinks: OnByDefault = True


class Copy(Sandboxed):
    """`fs/copy`."""

    source_path: WirePath
    destination_path: WirePath
    recursive: bool


class Rename(Sandboxed):
    """`fs/rename`."""

    source_path: WirePath
    destination_path: WirePath


class OpenFile(OnePath):
    """`fs/open`."""

    handle_id: str = Field(description="chosen by the client, at most 32 bytes")
    mode: Literal["read", "replace"] = "read"


class OpenedFile(Message):
    """The handle."""

    handle_id: str


class ReadBlock(Message):
    """`fs/readBlock`."""

    handle_id: str
    offset: U64
    length: U64 = Field(alias="len", description="1 to 1048576")


class Block(Message):
    """A part of a file."""

    chunk: Base64
    eof: bool = Field(description="whether fewer bytes were there than asked for")


class WriteBlock(Message):
    """`fs/writeBlock`."""

    handle_id: str
    offset: U64
    chunk: Base64 = Field(description="1 to 1048576 bytes")


class CloseFile(Message):
    """`fs/close`."""

    handle_id: str


class WatchMissing(Sandboxed):
    """`fs/watchMissing`."""

    watch_id: U64
    missing: list[WirePath] = Field(max_length=WATCHED_LIMIT)
    present: WirePath | None = None


class Watching(Message):
    """Whether it is watched."""

    watching: bool


class MissingChanged(Message):
    """`fs/missingChanged`."""

    watch_id: U64
