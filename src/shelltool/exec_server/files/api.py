"""The interface of a file service, local or remote. What the functions do is said in `methods`."""

from typing import Protocol

from shelltool.exec_server.files import messages as m
from shelltool.exec_server.messages import Nothing


class FileService(Protocol):
    """Files, for as long as one connection: its handles and its watch are its own. `RpcError` where one fails."""

    async def read_file(self, params: m.ReadFile) -> m.ReadFileResult:
        """`fs/readFile`."""

    async def write_file(self, params: m.WriteFile) -> Nothing:
        """`fs/writeFile`."""

    async def create_directory(self, params: m.CreateDirectory) -> Nothing:
        """`fs/createDirectory`."""

    async def get_metadata(self, params: m.GetMetadata) -> m.Metadata:
        """`fs/getMetadata`."""

    async def lstat(self, params: m.Lstat) -> m.Metadata:
        """`fs/lstat`."""

    async def readlink(self, params: m.ReadLink) -> m.LinkTarget:
        """`fs/readlink`."""

    async def canonicalize(self, params: m.Canonicalize) -> m.CanonicalPath:
        """`fs/canonicalize`."""

    async def read_directory(self, params: m.ReadDirectory) -> m.Directory:
        """`fs/readDirectory`."""

    async def walk(self, params: m.Walk) -> m.WalkResult:
        """`fs/walk`."""

    async def remove(self, params: m.Remove) -> Nothing:
        """`fs/remove`."""

    async def copy(self, params: m.Copy) -> Nothing:
        """`fs/copy`."""

    async def rename(self, params: m.Rename) -> Nothing:
        """`fs/rename`."""

    async def open(self, params: m.OpenFile) -> m.OpenedFile:
        """`fs/open`."""

    async def read_block(self, params: m.ReadBlock) -> m.Block:
        """`fs/readBlock`."""

    async def write_block(self, params: m.WriteBlock) -> Nothing:
        """`fs/writeBlock`."""

    async def close_file(self, params: m.CloseFile) -> Nothing:
        """`fs/close`."""

    async def watch_missing(self, params: m.WatchMissing) -> m.Watching:
        """`fs/watchMissing`."""

    async def close(self) -> None:
        """Close all handles, and stop watching."""
