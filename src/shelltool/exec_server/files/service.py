"""The file service of this machine: from the params of `fs/*` to a function in a thread, and back to a result."""

import os

from shelltool.exec_server.environment_api import Notify
from shelltool.exec_server.errors import os_error_text
from shelltool.exec_server.files import contents, copying, folders, removing, walking, watching
from shelltool.exec_server.files import messages as m
from shelltool.exec_server.files.calls import Calls
from shelltool.exec_server.files.handles import Handles
from shelltool.exec_server.files.status import Status
from shelltool.exec_server.files.workers import FileWorkers
from shelltool.exec_server.messages import Nothing

DONE = Nothing()


class LocalFiles:
    """A `FileService`, for one connection. Notifications go to `notify`."""

    def __init__(
        self, workers: FileWorkers, notify: Notify, *, watch_interval_s: float = watching.INTERVAL_S
    ) -> None:
        self._workers = workers
        self._notify = notify
        self._handles = Handles()
        self._watch = watching.Watch(interval_s=watch_interval_s)

    async def read_file(self, params: m.ReadFile) -> m.ReadFileResult:
        """See `FileService`, as for all of these."""
        data = await self._workers.run(
            params.sandbox, params.path, contents.read_file, params.path, follow=params.follow_symlinks
        )
        return m.ReadFileResult.model_construct(data_base64=data)

    async def write_file(self, params: m.WriteFile) -> Nothing:
        """`fs/writeFile`."""
        await self._workers.run(
            params.sandbox,
            params.path,
            contents.write_file,
            params.path,
            params.data_base64,
            follow=params.follow_symlinks,
        )
        return DONE

    async def create_directory(self, params: m.CreateDirectory) -> Nothing:
        """`fs/createDirectory`."""
        await self._workers.run(
            params.sandbox,
            params.path,
            folders.create_folder,
            params.path,
            recursive=params.recursive,
            follow=params.follow_symlinks,
        )
        return DONE

    async def get_metadata(self, params: m.GetMetadata) -> m.Metadata:
        """`fs/getMetadata`."""
        status, is_link = await self._workers.run(
            params.sandbox, params.path, folders.metadata, params.path, follow=params.follow_symlinks
        )
        return _metadata(status, is_link=is_link)

    async def lstat(self, params: m.Lstat) -> m.Metadata:
        """`fs/lstat`."""
        status = await self._workers.run(params.sandbox, params.path, folders.status_of_path, params.path)
        return _metadata(status, is_link=status.is_link)

    async def readlink(self, params: m.ReadLink) -> m.LinkTarget:
        """`fs/readlink`."""
        target = await self._workers.run(params.sandbox, params.path, folders.read_link, params.path)
        return m.LinkTarget(target=_as_text(target), target_base64=os.fsencode(target))

    async def canonicalize(self, params: m.Canonicalize) -> m.CanonicalPath:
        """`fs/canonicalize`."""
        path = await self._workers.run(params.sandbox, params.path, folders.real_path, params.path)
        return m.CanonicalPath(path=path)

    async def read_directory(self, params: m.ReadDirectory) -> m.Directory:
        """`fs/readDirectory`."""
        return await self._workers.run(params.sandbox, params.path, _directory, params.path)

    async def walk(self, params: m.Walk) -> m.WalkResult:
        """`fs/walk`."""
        limits = walking.Limits(
            depth=params.options.max_depth,
            folders=params.options.max_directories,
            entries=params.options.max_entries,
            follow_links=params.options.follow_directory_symlinks,
            skip_hidden=params.options.prune_hidden_directories,
        )
        return await self._workers.run(params.sandbox, params.path, _walk_result, params.path, limits)

    async def remove(self, params: m.Remove) -> Nothing:
        """`fs/remove`."""
        await self._workers.run(
            params.sandbox,
            params.path,
            removing.remove,
            params.path,
            recursive=params.recursive,
            force=params.force,
            follow=params.follow_symlinks,
        )
        return DONE

    async def copy(self, params: m.Copy) -> Nothing:
        """`fs/copy`."""
        await self._workers.run(
            params.sandbox,
            params.source_path,
            copying.copy,
            params.source_path,
            params.destination_path,
            recursive=params.recursive,
        )
        return DONE

    async def rename(self, params: m.Rename) -> Nothing:
        """`fs/rename`."""
        await self._workers.run(
            params.sandbox, params.source_path, folders.rename, params.source_path, params.destination_path
        )
        return DONE

    async def open(self, params: m.OpenFile) -> m.OpenedFile:
        """`fs/open`."""
        await self._workers.run(params.sandbox, params.path, self._open, params)
        return m.OpenedFile(handle_id=params.handle_id)

    async def read_block(self, params: m.ReadBlock) -> m.Block:
        """`fs/readBlock`."""
        chunk, eof = await self._workers.run(None, None, self._read_block, params)
        return m.Block.model_construct(chunk=chunk, eof=eof)

    async def write_block(self, params: m.WriteBlock) -> Nothing:
        """`fs/writeBlock`."""
        await self._workers.run(None, None, self._write_block, params)
        return DONE

    async def close_file(self, params: m.CloseFile) -> Nothing:
        """`fs/close`."""
        await self._workers.run(None, None, self._close_file, params)
        return DONE

    async def watch_missing(self, params: m.WatchMissing) -> m.Watching:
        """`fs/watchMissing`."""

        async def look() -> bool:
            return await self._workers.run(
                params.sandbox, None, watching.has_changed, params.missing, params.present
            )

        async def tell() -> None:
            await self._notify("fs/missingChanged", m.MissingChanged(watch_id=params.watch_id))

        self._watch.start(look, tell)
        return m.Watching(watching=True)

    async def close(self) -> None:
        """Close all handles, and stop watching."""
        self._watch.stop()
        self._handles.close_all()

    def _open(self, calls: Calls, params: m.OpenFile) -> None:
        self._handles.open(params.handle_id, lambda: contents.open_regular(calls, params.path, params.mode))

    def _read_block(self, _: Calls, params: m.ReadBlock) -> tuple[bytes, bool]:
        return self._handles.read(params.handle_id, params.offset, params.length)

    def _write_block(self, _: Calls, params: m.WriteBlock) -> None:
        self._handles.write(params.handle_id, params.offset, params.chunk)

    def _close_file(self, _: Calls, params: m.CloseFile) -> None:
        self._handles.close(params.handle_id)


def _metadata(status: Status, *, is_link: bool) -> m.Metadata:
    return m.Metadata(
        is_directory=status.is_folder,
        is_file=status.is_file,
        is_symlink=is_link,
        size=status.size,
        created_at_ms=status.created_ms,
        modified_at_ms=status.modified_ms,
    )


# There may be very many of these, so they are put together in the thread, and not looked at again.


def _directory(calls: Calls, path: str) -> m.Directory:
    return m.Directory.model_construct(
        entries=[
            m.DirectoryEntry.model_construct(
                file_name=_as_text(each.name),
                is_directory=each.is_folder,
                is_file=each.is_file,
                is_symlink=each.is_link,
            )
            for each in folders.list_folder(calls, path)
        ]
    )


def _walk_result(calls: Calls, path: str, limits: walking.Limits) -> m.WalkResult:
    walked = walking.walk(calls, path, limits)
    return m.WalkResult.model_construct(
        entries=[
            m.WalkEntry.model_construct(path=path, kind="directory" if is_folder else "file")
            for path, is_folder in walked.entries
        ],
        errors=[
            m.WalkError.model_construct(path=path, message=os_error_text(error.errno or 0))
            for path, error in walked.errors
        ],
        truncated=walked.truncated,
    )


def _as_text(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")
