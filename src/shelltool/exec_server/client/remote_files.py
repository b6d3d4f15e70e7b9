"""Files on the other side of an `ExecServerClient`: a `FileService` that sends each request."""

from shelltool.exec_server.client.client import ExecServerClient
from shelltool.exec_server.files import messages as m
from shelltool.exec_server.messages import Nothing


class RemoteFiles:
    """The files of the server's machine. Handles end with the connection that opened them."""

    def __init__(self, client: ExecServerClient) -> None:
        self._call = client.call

    async def read_file(self, params: m.ReadFile) -> m.ReadFileResult:
        """`fs/readFile`, as all of these."""
        return await self._call("fs/readFile", params, m.ReadFileResult)

    async def write_file(self, params: m.WriteFile) -> Nothing:
        """`fs/writeFile`."""
        return await self._call("fs/writeFile", params, Nothing)

    async def create_directory(self, params: m.CreateDirectory) -> Nothing:
        """`fs/createDirectory`."""
        return await self._call("fs/createDirectory", params, Nothing)

    async def get_metadata(self, params: m.GetMetadata) -> m.Metadata:
        """`fs/getMetadata`."""
        return await self._call("fs/getMetadata", params, m.Metadata)

    async def lstat(self, params: m.Lstat) -> m.Metadata:
        """`fs/lstat`."""
        return await self._call("fs/lstat", params, m.Metadata)

    async def readlink(self, params: m.ReadLink) -> m.LinkTarget:
        """`fs/readlink`."""
        return await self._call("fs/readlink", params, m.LinkTarget)

    async def canonicalize(self, params: m.Canonicalize) -> m.CanonicalPath:
        """`fs/canonicalize`."""
        return await self._call("fs/canonicalize", params, m.CanonicalPath)

    async def read_directory(self, params: m.ReadDirectory) -> m.Directory:
        """`fs/readDirectory`."""
        return await self._call("fs/readDirectory", params, m.Directory)

    async def walk(self, params: m.Walk) -> m.WalkResult:
        """`fs/walk`."""
        return await self._call("fs/walk", params, m.WalkResult)

    async def remove(self, params: m.Remove) -> Nothing:
        """`fs/remove`."""
        return await self._call("fs/remove", params, Nothing)

    async def copy(self, params: m.Copy) -> Nothing:
        """`fs/copy`."""
        return await self._call("fs/copy", params, Nothing)

    async def rename(self, params: m.Rename) -> Nothing:
        """`fs/rename`."""
        return await self._call("fs/rename", params, Nothing)

    async def open(self, params: m.OpenFile) -> m.OpenedFile:
        """`fs/open`."""
        return await self._call("fs/open", params, m.OpenedFile)

    async def read_block(self, params: m.ReadBlock) -> m.Block:
        """`fs/readBlock`."""
        return await self._call("fs/readBlock", params, m.Block)

    async def write_block(self, params: m.WriteBlock) -> Nothing:
        """`fs/writeBlock`."""
        return await self._call("fs/writeBlock", params, Nothing)

    async def close_file(self, params: m.CloseFile) -> Nothing:
        """`fs/close`."""
        return await self._call("fs/close", params, Nothing)

    async def watch_missing(self, params: m.WatchMissing) -> m.Watching:
        """`fs/watchMissing`."""
        return await self._call("fs/watchMissing", params, m.Watching)

    async def close(self) -> None:
        """Leave handles to the server, which closes them with the connection."""
