"""What a request is answered with when it fails: a code, a sentence, and where there is one the errno and the path.

Owns the codes and how errors of the operating system and of the sandbox become them. Clients match on the code; the
texts are those that the reference server gives, because older clients show them to people. `docs/exec-server.md`.
"""

import errno
import os
from collections.abc import Mapping
from typing import Any

from shelltool.errors import ExecServerError, SandboxError, SandboxPlanError, SandboxPolicyError
from shelltool.exec_server.paths import path_to_uri

INVALID_REQUEST = -32600
"""Of the protocol's state, or refused by a rule of the server."""
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
"""Everything that the operating system refuses and that has no code of its own."""
NOT_FOUND = -32004
ALREADY_ATTACHED = -32010

_CODE_OF_ERRNO = {
    errno.ENOENT: NOT_FOUND,
    errno.EPERM: INVALID_REQUEST,
    errno.EACCES: INVALID_REQUEST,
    errno.EINVAL: INVALID_REQUEST,
}

_TEXT_OF_ERRNO = {errno.ELOOP: "Symbolic link loop"}
"""Where the reference server's library has other words than the C library."""


class RpcError(ExecServerError):
    """The answer to a request that fails; `data` is optional and goes out as it is."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def invalid_request(message: str, *, path: str | None = None, number: int | None = None) -> RpcError:
    """Refuse a request that is understood."""
    return RpcError(INVALID_REQUEST, message, error_data(number, path))


def invalid_params(message: str) -> RpcError:
    """Refuse parameters that make no sense."""
    return RpcError(INVALID_PARAMS, message)


def not_found(message: str) -> RpcError:
    """Say that what a request names is not there."""
    return RpcError(NOT_FOUND, message)


def internal(message: str) -> RpcError:
    """Say that the server could not do it."""
    return RpcError(INTERNAL, message)


def from_os_error(error: OSError, path: str | None = None, *, spawning: bool = False) -> RpcError:
    """Answer with an error of the operating system. Those of starting a process are all INTERNAL."""
    number = error.errno or errno.EIO
    code = INTERNAL if spawning else _CODE_OF_ERRNO.get(number, INTERNAL)
    named = path if path is not None else error.filename if isinstance(error.filename, str) else None
    return RpcError(code, os_error_text(number), error_data(number, named))


def from_sandbox_error(error: SandboxError, path: str | None = None) -> RpcError:
    """Answer that nothing was done because it could not be confined as asked."""
    if isinstance(error, SandboxPolicyError):
        return invalid_params(str(error))
    if isinstance(error, SandboxPlanError):
        return invalid_request(str(error), path=path)
    return internal(str(error))


def os_error_text(number: int) -> str:
    """Give the text for an errno as the reference server has it."""
    return f"{_TEXT_OF_ERRNO.get(number) or os.strerror(number)} (os error {number})"


def error_data(number: int | None, path: str | None) -> dict[str, Any] | None:
    """Give the `data` of an error: what is known of errno and path."""
    data: dict[str, Any] = {}
    if number is not None:
        data["errno"] = number
    if path is not None:
        data["path"] = path_to_uri(path) if path.startswith("/") else path.encode(errors="replace").decode()
    return data or None


class ChannelClosedError(ExecServerError):
    """The other side of a connection is gone."""


class ProtocolViolationError(ExecServerError):
    """The other side sent what no peer may send at this point; the connection is closed."""
