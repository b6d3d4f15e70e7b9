"""The session with one client: MCP's handshake, its methods, and the one place where exceptions become errors of MCP.

Sits on the SDK's dispatcher, which owns JSON-RPC: ids, concurrency, cancellation, progress tokens. Serves the
revisions of MCP that begin with `initialize`; the later, stateless one has no way to ask a person during a call, and
clients that try it first fall back. https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import anyio
from mcp.shared.dispatcher import DispatchContext
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp.shared.transport_context import TransportContext
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    ClientCapabilities,
    InitializeRequestParams,
    SetLevelRequestParams,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION
from pydantic import BaseModel, ValidationError

from shelltool.errors import SandboxPolicyError, ShellToolError
from shelltool.mcp_server import tool
from shelltool.mcp_server.asking import ask_client
from shelltool.mcp_server.call import Progress, ShellTool
from shelltool.mcp_server.confinement import CAPABILITY, UPDATE, VERSION

SERVER_NAME = "codex-exec-mcp-server"
INLINE_METHODS = frozenset({"initialize", UPDATE, "logging/setLevel"})
"""Finished before the next message is looked at: what follows them relies on them."""

LOG_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

Context = DispatchContext[TransportContext]
Params = Mapping[str, Any] | None
Result = dict[str, Any]
_Handler = Callable[[Context, Params], Awaitable[Result]]
_Model = TypeVar("_Model", bound=BaseModel)
_Value = TypeVar("_Value")

_log = logging.getLogger(__name__)


class Session:
    """Answers one client."""

    def __init__(
        self,
        shell_tool: ShellTool,
        *,
        shell_name: str,
        version: str,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_ready` is called when the client can be sent messages."""
        self._tool = shell_tool
        self._description = tool.describe(shell_name)
        self._version = version
        self._client: ClientCapabilities | None = None
        self._on_ready = on_ready
        self._is_initialized = False
        self.is_ready = False
        self.log_level = "info"
        self._handlers: dict[str, _Handler] = {
            "initialize": self._initialize,
            "ping": self._ping,
            "logging/setLevel": self._set_level,
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
            UPDATE: self._update_sandbox_state,
        }

    async def on_request(self, context: Context, method: str, params: Params) -> Result:
        """Answer a request; whatever goes wrong becomes an error with a code and a sentence."""
        handler = self._handlers.get(method)
        if handler is None:
            raise MCPError(code=METHOD_NOT_FOUND, message=f"there is no method {method!r}", data=method)
        if not self._is_initialized and method not in {"initialize", "ping"}:
            raise MCPError(code=INVALID_REQUEST, message=f"{method} came before initialize")
        try:
            return await handler(context, params)
        except MCPError:
            raise
        except ShellToolError as error:
            raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error
        except Exception as error:
            _log.exception("%s failed", method)
            raise MCPError(
                code=INTERNAL_ERROR, message=f"the server failed: {type(error).__name__}; its log has more"
            ) from error

    async def on_notify(self, _context: Context, method: str, _params: Params) -> None:
        """Take a notification; cancellation and progress are the dispatcher's."""
        if method == "notifications/initialized" and self._is_initialized:
            self.is_ready = True
            self._on_ready()

    async def _initialize(self, _context: Context, params: Params) -> Result:
        asked = _read(InitializeRequestParams, params)
        self._client = asked.capabilities
        self._is_initialized = True
        known = asked.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
        return {
            "protocolVersion": asked.protocol_version if known else LATEST_HANDSHAKE_VERSION,
            "capabilities": {"experimental": {CAPABILITY: {"version": VERSION}}, "logging": {}, "tools": {}},
            "serverInfo": {"name": SERVER_NAME, "version": self._version},
            "instructions": "Provides a tool to run shell commands; each program that they start is judged by rules.",
        }

    async def _ping(self, _context: Context, _params: Params) -> Result:
        return {}

    async def _set_level(self, _context: Context, params: Params) -> Result:
        self.log_level = _read(SetLevelRequestParams, params).level
        return {}

    async def _list_tools(self, _context: Context, _params: Params) -> Result:
        return {"tools": [self._description]}

    async def _update_sandbox_state(self, _context: Context, params: Params) -> Result:
        if params is None:
            raise MCPError(code=INVALID_PARAMS, message="missing params for sandbox state request")
        try:
            self._tool.confinement.update(params)
        except SandboxPolicyError as error:
            message = f"failed to deserialize {error}; until this is understood, commands run read-only"
            raise MCPError(code=INVALID_PARAMS, message=message, data=dict(params)) from error
        return {}

    async def _call_tool(self, context: Context, params: Params) -> Result:
        called = _read(CallToolRequestParams, params)
        if called.name != tool.NAME:
            raise MCPError(
                code=INVALID_PARAMS, message=f"there is no tool {called.name!r}; there is {tool.NAME!r}"
            )
        arguments = tool.read_arguments(called.arguments)
        client = self._client
        result = await _apart(
            self._tool.run(
                arguments,
                ask=lambda approval: ask_client(context, client, approval),
                progress=_progress_of(context, params),
            )
        )
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        return {
            "content": [{"type": "text", "text": text}],
            "structuredContent": result,
            "isError": False,
        }


def _progress_of(context: Context, params: Params) -> Progress | None:
    if progress_token_from_params(params) is None:
        return None

    async def report(passed_s: float, message: str) -> None:
        await context.progress(passed_s, message=message)

    return report


async def _apart(work: Coroutine[Any, Any, _Value]) -> _Value:
    """Run in a task of its own, so that a cancellation reaches it once and it can end in its own time.

    The dispatcher's scope would cancel again and again whatever is awaited in it.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.gather(task, return_exceptions=True)
        raise


def _read(model: type[_Model], params: Params) -> _Model:
    try:
        return model.model_validate(params or {}, by_name=False)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        raise MCPError(code=INVALID_PARAMS, message=f"invalid params: {problems}") from error
