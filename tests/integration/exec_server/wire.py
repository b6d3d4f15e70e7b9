"""A client that shows the wire as it is: sends what a test says, keeps all that comes, and waits no longer than it may."""

import asyncio
import base64
import itertools
import json
from collections import defaultdict
from typing import Any

from shelltool.exec_server.channel import Channel

PATIENCE_S = 30.0


class RefusedError(Exception):
    """A request that was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]
        self.message = error["message"]
        self.data = error.get("data")


class Wire:
    """One connection."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.order: list[str] = []
        """What came: the methods of notifications, and `answer` for answers."""
        self.events: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        self.unasked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        """Answers to nothing, and requests of the server."""
        self.session = ""
        self.ended = asyncio.Event()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def open(self, **params: Any) -> dict[str, Any]:
        """Go through the handshake."""
        result = await self.call("initialize", clientName="test", **params)
        await self.send({"method": "initialized", "params": {}})
        self.session = result["sessionId"]
        return result

    async def send(self, message: object) -> None:
        """Send what is given: text as it is, everything else as JSON."""
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await self.channel.send(text if isinstance(text, bytes) else text.encode())

    async def ask(self, method: str, /, **params: Any) -> asyncio.Future[dict[str, Any]]:
        """Send a request and give the answer to come."""
        identifier = next(self._ids)
        future = self._answers[identifier] = asyncio.get_running_loop().create_future()
        await self.send({"id": identifier, "method": method, "params": params})
        return future

    async def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Send a request and give its result."""
        async with asyncio.timeout(PATIENCE_S):
            answer = await (await self.ask(method, **params))
        if "error" in answer:
            raise RefusedError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def refused(self, method: str, /, **params: Any) -> RefusedError:
        """Send a request that has to fail."""
        try:
            result = await self.call(method, **params)
        except RefusedError as error:
            return error
        raise AssertionError(f"{method} was not refused: {result}")

    async def start(self, process_id: str, *argv: str, **params: Any) -> dict[str, Any]:
        """Start a process with little said."""
        given = {"cwd": "/tmp", "env": {"PATH": "/usr/bin:/bin"}, "tty": False, **params}
        return await self.call("process/start", processId=process_id, argv=list(argv), **given)

    async def wait_for(self, process_id: str, method: str) -> dict[str, Any]:
        """Wait for a notification about a process."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for name, params in self.events[process_id]:
                    if name == method:
                        return params
                await self._news.wait()

    async def wait_for_output(self, process_id: str, wanted: bytes) -> bytes:
        """Wait until a process has written something."""
        async with asyncio.timeout(PATIENCE_S), self._news:
            while wanted not in (written := self.output(process_id)):
                await self._news.wait()
            return written

    async def ended_process(self, process_id: str) -> tuple[bytes, int]:
        """Wait for the end of a process; give its output and exit code. Checks the numbers of its events."""
        await self.wait_for(process_id, "process/closed")
        exited = await self.wait_for(process_id, "process/exited")
        numbers = [params["seq"] for _, params in self.events[process_id]]
        assert numbers == list(range(1, len(numbers) + 1)), "in order on the wire, too"
        assert self.events[process_id][-1][0] == "process/closed"
        return self.output(process_id), exited["exitCode"]

    async def run(self, process_id: str, *argv: str, **params: Any) -> tuple[bytes, int]:
        """Start a process and wait for its end."""
        await self.start(process_id, *argv, **params)
        return await self.ended_process(process_id)

    def output(self, process_id: str, stream: str | None = None) -> bytes:
        """Give what a process has written so far."""
        found = [
            params
            for name, params in self.events[process_id]
            if name == "process/output" and stream in {None, params["stream"]}
        ]
        return b"".join(
            base64.b64decode(item["chunk"]) for item in sorted(found, key=lambda item: item["seq"])
        )

    async def close(self) -> None:
        """Cut the connection."""
        await self.channel.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        while (data := await self.channel.receive()) is not None:
            await self._take(json.loads(data))
        self.ended.set()
        async with self._news:
            self._news.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        if "method" in message and "id" not in message:
            self.order.append(message["method"])
            params = message["params"]
            self.events[params.get("processId", "")].append((message["method"], params))
            async with self._news:
                self._news.notify_all()
            return
        self.order.append("answer")
        answer = self._answers.pop(message["id"], None) if isinstance(message["id"], int) else None
        if answer is None:
            await self.unasked.put(message)
        elif not answer.done():
            answer.set_result(message)


def encoded(data: bytes) -> str:
    """Give base64."""
    return base64.b64encode(data).decode()
