"""The protocol as a client of the official SDK sees it: handshake, tool, errors, asking, progress, cancellation."""

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    ElicitResult,
    EmptyResult,
    JSONRPCNotification,
    JSONRPCRequest,
    Request,
)

from shelltool.errors import LaunchError, SandboxPolicyError
from shelltool.mcp_server.session import INLINE_METHODS, Session
from shelltool.rules.judging import Approval

DEADLINE_S = 20
CALL = {"command": "echo", "workdir": "/"}
Custom = Request[dict[str, Any] | None, str]


class Tool:
    """Stands in for the shell tool: does what a test hands it."""

    def __init__(self, run):
        self._run = run
        self.updates = []
        self.confinement = self

    def update(self, params):
        if "bad" in params:
            raise SandboxPolicyError("sandbox state: bad: not known")
        self.updates.append(dict(params))

    async def run(self, arguments, *, ask, progress):
        return await self._run(arguments, ask, progress)


async def nothing(_arguments, _ask, _progress):
    return {"exit_code": 0}


class Wire:
    """A server of ours behind streams, as a transport of the SDK's client."""

    def __init__(self, run=nothing):
        self.tool = Tool(run)
        self.ready: list[bool] = []
        self.session = Session(
            self.tool,  # type: ignore[arg-type]
            shell_name="bash",
            version="1.2.3",
            on_ready=lambda: self.ready.append(True),
        )

    @asynccontextmanager
    async def _connect(self):
        to_server, at_server = anyio.create_memory_object_stream[SessionMessage | Exception](16)
        to_client, at_client = anyio.create_memory_object_stream[SessionMessage](16)
        dispatcher = JSONRPCDispatcher(at_server, to_client, inline_methods=INLINE_METHODS)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.run, self.session.on_request, self.session.on_notify)
            try:
                yield at_client, to_server
            finally:
                for stream in (to_server, at_client):
                    stream.close()

    async def __aenter__(self):
        self._connection = self._connect()
        return await self._connection.__aenter__()

    async def __aexit__(self, *failure):
        return await self._connection.__aexit__(*failure)


def bounded(work):
    return asyncio.run(asyncio.wait_for(work, DEADLINE_S))


def with_client(wire, use, **options):
    async def run():
        async with Client(wire, **options) as client:
            return await use(client)

    return bounded(run())


def failing(wire, use, **options):
    async def run(client):
        with pytest.raises(MCPError) as caught:
            await use(client)
        return caught.value

    return with_client(wire, run, **options)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_client_of_the_sdk_connects_and_lists_the_tool(mode):
    wire = Wire()

    async def use(client):
        tools = (await client.list_tools()).tools
        return (
            client.protocol_version,
            client.server_info,
            client.server_capabilities,
            [t.name for t in tools],
        )

    version, info, capabilities, tools = with_client(wire, use, mode=mode)
    assert version == "2025-11-25"
    assert (info.name, info.version) == ("codex-exec-mcp-server", "1.2.3")
    assert capabilities.experimental == {"codex/sandbox-state": {"version": "1.0.0"}}
    assert capabilities.tools is not None
    assert tools == ["shell"]
    assert wire.ready == [True]


def test_a_result_comes_as_text_and_as_structure():
    shown = {
        "exit_code": 0,
        "stdout": "é\n",
        "stderr": "",
        "output": "é\n",
        "duration": {"secs": 0, "nanos": 1},
        "timed_out": False,
        "judged": [],
        "judged_count": 0,
        "warnings": [],
    }

    async def run(arguments, _ask, _progress):
        assert arguments.command == "echo"
        return shown

    result = with_client(Wire(run), lambda client: client.call_tool("shell", CALL))
    assert not result.is_error
    assert result.structured_content == shown
    assert json.loads(result.content[0].text) == shown


@pytest.mark.parametrize(
    ("use", "code", "said"),
    [
        (lambda c: c.call_tool("nonsense", {}), INVALID_PARAMS, "there is no tool 'nonsense'"),
        (lambda c: c.call_tool("shell", {}), INVALID_PARAMS, "command: is missing; workdir: is missing"),
        (lambda c: c.call_tool("shell", CALL | {"x": 1}), INVALID_PARAMS, "x: there is no such argument"),
        (
            lambda c: c.session.send_request(Custom(method="x/y", params=None), EmptyResult),
            METHOD_NOT_FOUND,
            "'x/y'",
        ),
        (
            lambda c: c.session.send_request(
                Custom(method="codex/sandbox-state/update", params=None), EmptyResult
            ),
            INVALID_PARAMS,
            "missing params for sandbox state request",
        ),
        (
            lambda c: c.session.send_request(
                Custom(method="codex/sandbox-state/update", params={"bad": 1}), EmptyResult
            ),
            INVALID_PARAMS,
            "failed to deserialize sandbox state: bad: not known",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_an_error_of_mcp_and_the_session_goes_on(use, code, said):
    wire = Wire()

    async def run(client):
        with pytest.raises(MCPError) as caught:
            await use(client)
        await client.list_tools()
        return caught.value

    error = with_client(wire, run)
    assert error.code == code
    assert said in error.message


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (LaunchError("/bin/nothing: can't be executed"), "/bin/nothing: can't be executed"),
        (ZeroDivisionError("secret"), "the server failed: ZeroDivisionError; its log has more"),
    ],
)
def test_a_failure_of_ours_is_an_internal_error_without_a_traceback(failure, said, caplog):
    async def run(_arguments, _ask, _progress):
        raise failure

    error = failing(Wire(run), lambda client: client.call_tool("shell", CALL))
    assert (error.code, error.message) == (INTERNAL_ERROR, said)
    assert ("secret" in caplog.text) == isinstance(failure, ZeroDivisionError)


def test_the_sandbox_state_reaches_the_tool():
    wire = Wire()
    params = {"sandboxPolicy": {"type": "read-only"}, "sandboxCwd": "/"}

    async def use(client):
        request = Custom(method="codex/sandbox-state/update", params=params)
        return await client.session.send_request(request, EmptyResult)

    with_client(wire, use)
    assert wire.tool.updates == [params]


def approval():
    return Approval(program="/bin/x", argv=("x",), workdir="/", place="outside", why=None)


def test_a_person_is_asked_through_the_client():
    asked = []

    async def callback(_context, params):
        asked.append(params.message)
        return ElicitResult(action="decline", content={"reason": "no"})

    async def run(_arguments, ask, _progress):
        return {"answer": (await ask(approval())).reason}

    wire = Wire(run)

    async def use(client):
        return await client.session._dispatcher.send_raw_request(
            "tools/call", {"name": "shell", "arguments": CALL}
        )

    result = with_client(wire, use, elicitation_callback=callback)
    assert result["structuredContent"] == {"answer": "User declined execution: no"}
    assert asked[0].startswith("Allow agent to run `/bin/x`")


class Raw:
    """A client that speaks JSON-RPC itself."""

    def __init__(self, incoming, outgoing):
        self._incoming, self._outgoing = incoming, outgoing

    async def send(self, method, params=None, number=None):
        fields = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})
        message = JSONRPCNotification(**fields) if number is None else JSONRPCRequest(**fields, id=number)
        await self._outgoing.send(SessionMessage(message))

    async def receive(self):
        return (await self._incoming.receive()).message.model_dump(exclude_unset=True)

    async def initialize(self, version="2025-06-18", capabilities=None):
        client = {"name": "raw", "version": "0"}
        params = {"protocolVersion": version, "capabilities": capabilities or {}, "clientInfo": client}
        await self.send("initialize", params, 0)
        return await self.receive()


def raw(wire, use):
    async def run():
        async with wire as (incoming, outgoing):
            return await use(Raw(incoming, outgoing))

    return bounded(run())


@pytest.mark.parametrize(
    ("asked", "given"),
    [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("3000-01-01", "2025-11-25")],
)
def test_the_revision_is_the_clients_where_it_is_known(asked, given):
    assert raw(Wire(), lambda client: client.initialize(asked))["result"]["protocolVersion"] == given


def test_nothing_but_a_ping_is_answered_before_the_handshake():
    async def use(client):
        await client.send("tools/list", number=1)
        refused = await client.receive()
        await client.send("ping", number=2)
        return refused, await client.receive()

    refused, pong = raw(Wire(), use)
    assert refused["error"]["code"] == INVALID_REQUEST
    assert pong["result"] == {}


def test_requests_that_follow_an_update_at_once_see_it():
    wire = Wire()

    async def run(_arguments, _ask, _progress):
        return {"updates": len(wire.tool.updates)}

    wire.tool._run = run

    async def use(client):
        await client.initialize()
        await client.send("codex/sandbox-state/update", {"a": 1}, 1)
        await client.send("tools/call", {"name": "shell", "arguments": CALL}, 2)
        return [await client.receive(), await client.receive()]

    assert raw(wire, use)[1]["result"]["structuredContent"] == {"updates": 1}


def test_progress_is_told_to_those_who_ask():
    async def run(_arguments, _ask, progress):
        if progress:
            await progress(1.5, "running")
        return {}

    async def use(client):
        await client.initialize()
        await client.send(
            "tools/call", {"name": "shell", "arguments": CALL, "_meta": {"progressToken": "t"}}, 1
        )
        told = [await client.receive(), await client.receive()]
        await client.send("tools/call", {"name": "shell", "arguments": CALL}, 2)
        return [*told, await client.receive()]

    progress, first, second = raw(Wire(run), use)
    assert progress["params"] == {"progressToken": "t", "progress": 1.5, "message": "running"}
    assert (first["id"], second["id"]) == (1, 2)


def test_a_cancelled_call_is_ended_in_its_own_time_and_not_answered():
    begun, ended = asyncio.Event(), asyncio.Event()

    async def run(_arguments, _ask, _progress):
        begun.set()
        try:
            await asyncio.sleep(DEADLINE_S)
        except asyncio.CancelledError:
            for _ in range(3):
                await asyncio.sleep(0.01)
            ended.set()
            raise
        return {}

    async def use(client):
        await client.initialize()
        await client.send("tools/call", {"name": "shell", "arguments": CALL}, 1)
        await begun.wait()
        await client.send("notifications/cancelled", {"requestId": 1})
        await ended.wait()
        await client.send("ping", number=2)
        return await client.receive()

    assert raw(Wire(run), use)["id"] == 2


def test_a_client_that_leaves_ends_its_calls():
    begun, ended = asyncio.Event(), []

    async def run(_arguments, _ask, _progress):
        begun.set()
        try:
            await asyncio.sleep(DEADLINE_S)
        finally:
            ended.append(True)
        return {}

    async def use(client):
        await client.initialize()
        await client.send("tools/call", {"name": "shell", "arguments": CALL}, 1)
        await begun.wait()

    raw(Wire(run), use)
    assert ended == [True]


def test_the_level_of_log_messages_is_the_clients_choice():
    wire = Wire()

    async def use(client):
        await client.initialize()
        await client.send("logging/setLevel", {"level": "error"}, 1)
        await client.send("logging/setLevel", {"level": "loud"}, 2)
        return [await client.receive(), await client.receive()]

    accepted, refused = raw(wire, use)
    assert accepted["result"] == {}
    assert refused["error"]["code"] == INVALID_PARAMS
    assert wire.session.log_level == "error"
