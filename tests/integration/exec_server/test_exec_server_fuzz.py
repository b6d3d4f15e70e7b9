"""Messages that nobody would send: each request gets one answer, whatever is in it, and the server goes on."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from integration.exec_server.serving import in_memory
from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.table import METHODS

PATIENCE_S = 60.0
CODES = {-32600, -32601, -32602, -32603, -32004, -32010}
# None of it is a path, so nothing is done to the files of this machine, whatever comes together.
WORDS = st.sampled_from(["", "p", "x", "-1", "\0", "ü☃", "é" * 5000, "A===", "eA=="])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
MEMBERS = sorted(
    {field.alias or name for method in METHODS.values() for name, field in method.params.model_fields.items()}
)
PARAMS = st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=8) | VALUES
REQUESTS = st.lists(st.tuples(st.sampled_from([*METHODS, "exec/approve", ""]), PARAMS), max_size=12)
ENVELOPES = st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error", "trace"]), VALUES)
MESSAGES = st.lists(st.binary() | ENVELOPES.map(json.dumps).map(str.encode), max_size=12)


@settings(max_examples=50)
@given(requests=REQUESTS)
def test_each_request_gets_one_answer_of_the_protocol(requests, installation):
    async def scene():
        async with asyncio.timeout(PATIENCE_S), in_memory(installation) as server, server.session() as wire:
            for number, (method, params) in enumerate(requests):
                await wire.send({"id": f"{number}", "method": method, "params": params})
            answers: dict[str, dict[str, Any]] = {}
            while len(answers) < len(requests):
                answer = await wire.unasked.get()
                assert answer["id"] not in answers
                answers[answer["id"]] = answer
            assert await wire.call("environment/status") == {"status": "ready"}
            assert wire.unasked.empty()
            for answer in answers.values():
                if "error" in answer:
                    assert answer["error"]["code"] in CODES, requests
                    assert "the server failed" not in answer["error"]["message"], requests

    asyncio.run(scene())


@settings(max_examples=50)
@given(messages=MESSAGES)
def test_whatever_is_sent_others_are_served(messages, installation):
    async def scene():
        async with asyncio.timeout(PATIENCE_S), in_memory(installation) as server:
            async with server.session() as other, server.connection() as wire:
                with suppress(ChannelClosedError):  # some of it ends the connection
                    for message in messages:
                        await wire.send(message)
                assert await other.call("environment/status") == {"status": "ready"}
            async with server.session() as wire:
                assert await wire.call("process/list") == {"processes": []}

    asyncio.run(scene())
