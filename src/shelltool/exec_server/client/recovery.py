"""What a client may do again after its connection was lost, and when there is no point in trying."""

from shelltool.errors import ExecServerError, ShellToolError
from shelltool.exec_server.errors import ALREADY_ATTACHED, RpcError

RETRY_S = 0.1
"""Between two attempts to come back."""

REPEATABLE = frozenset({
    "process/start", "process/read", "process/write", "process/closeStdin", "process/resize", "process/terminate",
    "process/list", "environment/info", "environment/status", "fs/readFile", "fs/getMetadata", "fs/lstat",
    "fs/readlink", "fs/canonicalize", "fs/readDirectory", "fs/walk",
})  # fmt: skip
"""Twice is the same as once. A start that was done already is told by its id, a write by its own."""


class TransportError(ExecServerError):
    """The server can't be reached, or what it says makes no sense."""


def is_retryable(error: ShellToolError) -> bool:
    """Tell whether another attempt may succeed: not when the server says that it does not know the session."""
    if isinstance(error, RpcError):
        return error.code == ALREADY_ATTACHED or "already attached" in error.message
    return True
