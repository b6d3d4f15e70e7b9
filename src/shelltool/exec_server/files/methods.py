"""The rows of `fs/*`: names, models, functions of `FileService`, and what the reference says of each."""

from shelltool.exec_server.files import messages as m
from shelltool.exec_server.messages import Message, Nothing
from shelltool.exec_server.methods import Method, Notification


def _row(
    name: str,
    function: str,
    params: type[Message],
    doc: str,
    *errors: str,
    result: type[Message] = Nothing,
    ours: bool = False,
    ordered_by: str | None = None,
) -> Method:
    return Method(
        name=f"fs/{name}",
        params=params,
        result=result,
        service="files",
        function=function,
        family="filesystem",
        doc=doc,
        errors=errors,
        ours=ours,
        ordered_by=ordered_by,
    )


NOT_FOUND = "-32004: what is named is not there (ENOENT)"
REFUSED = "-32600: EPERM, EACCES or EINVAL"
OTHER = "-32603: every other error of the operating system; `data.errno` tells"

FILE_METHODS = (
    _row(
        "readFile",
        "read_file",
        m.ReadFile,
        "Reads a regular file of at most 512 MiB.",
        NOT_FOUND,
        "-32600: not a regular file; too large; EACCES",
        OTHER,
        result=m.ReadFileResult,
    ),
    _row(
        "writeFile",
        "write_file",
        m.WriteFile,
        "Creates a file, or replaces what is in it: in place, so a reader may see a part. Follows links; a link to "
        "nothing creates what it names. Mode 0666 less the server's umask.",
        NOT_FOUND,
        "-32600: `dataBase64` is not base64; EACCES",
        OTHER,
    ),
    _row(
        "createDirectory",
        "create_directory",
        m.CreateDirectory,
        "Creates a folder. `recursive`: with all above it, and it may be there already.",
        NOT_FOUND,
        REFUSED,
        OTHER,
    ),
    _row(
        "getMetadata",
        "get_metadata",
        m.GetMetadata,
        "Says what is at a path, behind links. With `followSymlinks: false`, a link on the way or at its end is an error.",
        NOT_FOUND,
        REFUSED,
        OTHER,
        result=m.Metadata,
    ),
    _row(
        "lstat",
        "lstat",
        m.Lstat,
        "Says what is at a path itself; a link is told as a link, and its size is that of its text.",
        NOT_FOUND,
        REFUSED,
        OTHER,
        result=m.Metadata,
        ours=True,
    ),
    _row(
        "readlink",
        "readlink",
        m.ReadLink,
        "Says what a symbolic link says.",
        NOT_FOUND,
        "-32600: not a link (EINVAL)",
        OTHER,
        result=m.LinkTarget,
        ours=True,
    ),
    _row(
        "canonicalize",
        "canonicalize",
        m.Canonicalize,
        "Gives the path of what is there, without links.",
        NOT_FOUND,
        REFUSED,
        OTHER,
        result=m.CanonicalPath,
    ),
    _row(
        "readDirectory",
        "read_directory",
        m.ReadDirectory,
        "Lists a folder. A link to nothing is listed, as neither file nor folder.",
        NOT_FOUND,
        "-32600: EACCES; more than 1000000 entries",
        OTHER,
        result=m.Directory,
    ),
    _row(
        "walk",
        "walk",
        m.Walk,
        "Lists everything below a folder, breadth first. Links to files are left out, links to folders too unless "
        "`followDirectorySymlinks`. With `pruneHiddenDirectories`, folders with a dot are named and not listed. "
        "`truncated`: a limit was reached, or 4 MiB of answer.",
        NOT_FOUND,
        "-32600: a limit is 0 or too large",
        result=m.WalkResult,
    ),
    _row(
        "remove",
        "remove",
        m.Remove,
        "Removes a file, a link itself, or a folder; `recursive`: with all in it, following no link on the way. "
        "`force`: it need not be there.",
        NOT_FOUND,
        "-32600: EPERM or EACCES; more than 512 folders in each other",
        OTHER,
    ),
    _row(
        "copy",
        "copy",
        m.Copy,
        "Copies a file with its mode, a link as a link, or a folder into another one, merging. Follows no link on the "
        "way; only the destination of a single file may be one. Named pipes, sockets and devices in a folder are "
        "left out.",
        NOT_FOUND,
        "-32600: a folder without `recursive`; onto or into itself; neither file, folder nor link; EACCES",
        OTHER,
    ),
    _row(
        "rename",
        "rename",
        m.Rename,
        "Gives a file, a link or a folder another path on the same file system, as rename(2) does.",
        NOT_FOUND,
        REFUSED,
        OTHER,
        ours=True,
    ),
    _row(
        "open",
        "open",
        m.OpenFile,
        "Opens a regular file for `fs/readBlock`, or with mode `replace` a new or emptied one for `fs/writeBlock`. "
        "Handles belong to the connection, at most 128.",
        NOT_FOUND,
        "-32600: the id is taken or too long; too many handles; not a regular file; EACCES",
        OTHER,
        result=m.OpenedFile,
        ordered_by="handle_id",
    ),
    _row(
        "readBlock",
        "read_block",
        m.ReadBlock,
        "Reads a part of an open file.",
        "-32004: unknown handle",
        "-32600: `len` is not 1 to 1048576",
        "-32603: the handle is for writing (EBADF)",
        result=m.Block,
        ordered_by="handle_id",
    ),
    _row(
        "writeBlock",
        "write_block",
        m.WriteBlock,
        "Writes a part of an open file, also behind its end.",
        "-32004: unknown handle",
        "-32600: `chunk` is not 1 to 1048576 bytes",
        "-32603: the handle is for reading (EBADF)",
        ordered_by="handle_id",
    ),
    _row("close", "close_file", m.CloseFile, "Closes a handle; it need not be open.", ordered_by="handle_id"),
    _row(
        "watchMissing",
        "watch_missing",
        m.WatchMissing,
        "Sends one `fs/missingChanged` when something comes to be at one of `missing`, or `present` is gone. The next "
        "watch of the connection replaces this one. Advisory: looks once a second.",
        result=m.Watching,
    ),
)

FILE_NOTIFICATIONS = (
    Notification(
        name="fs/missingChanged",
        params=m.MissingChanged,
        doc="What `fs/watchMissing` watches has changed. Sent once.",
    ),
)
