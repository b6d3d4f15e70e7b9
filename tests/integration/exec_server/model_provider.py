"""A provider of a model, for released clients: instead of thinking, it has a list of commands run, one after the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

HEAD_BYTES = 1 << 16
Arguments = dict[str, Any]
Command = Callable[[list[str]], tuple[str, Arguments]]
"""From what the commands before it gave to the tool that is called next, and its arguments."""


class ModelProvider:
    """Serves one client, for as long as it has commands to run."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self.port = 0
        self.outputs: list[str] = []
        """What the commands gave, as the client tells the model."""

    @property
    def config(self) -> str:
        """Give what stands in a client's `config.toml`."""
        return f"""
model = "mock"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:{self.port}/v1"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
"""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            sizes = [
                line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length")
            ]
            body = await reader.readexactly(int(sizes[0]) if sizes else 0)
            if head.startswith(b"post /v1/responses "):
                writer.write(_answer(b"200 OK", self._events(json.loads(body))))
            else:
                writer.write(_answer(b"404 Not Found", b""))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _events(self, request: dict[str, Any]) -> bytes:
        given = [item for item in request["input"] if item.get("type") == "function_call_output"]
        self.outputs = [_text(item["output"]) for item in given]
        created = {"type": "response.created", "response": {"id": "r"}}
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        completed = {"type": "response.completed", "response": {"id": "r", "usage": usage}}
        done = {"type": "response.output_item.done", "item": self._next_item()}
        events: tuple[dict[str, Any], ...] = (created, done, completed)
        return b"".join(
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
            for event in events
        )

    def _next_item(self) -> dict[str, Any]:
        number = len(self.outputs)
        if number == len(self._commands):
            content = [{"type": "output_text", "text": "done"}]
            return {"type": "message", "role": "assistant", "id": "m", "content": content}
        tool, arguments = self._commands[number](self.outputs)
        call = {"type": "function_call", "id": f"f{number}", "call_id": f"c{number}"}
        return {**call, "name": tool, "arguments": json.dumps(arguments)}


@asynccontextmanager
async def model_provider(*commands: Command) -> AsyncIterator[ModelProvider]:
    """Serve while the block runs."""
    provider = ModelProvider(commands)
    async with await asyncio.start_server(provider.serve, "127.0.0.1", 0, limit=HEAD_BYTES) as server:
        provider.port = server.sockets[0].getsockname()[1]
        yield provider


def _text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output)


def _answer(status: bytes, body: bytes) -> bytes:
    head = (
        b"HTTP/1.1 %b\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    )
    return head % (status, len(body)) + body
