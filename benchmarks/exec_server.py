"""What the exec server costs beside the reference server, in one run on one machine, over loopback.

Both take turns, so that whatever else the machine does hits both, and both are spoken to by the same client.
`python benchmarks/exec_server.py [--rounds N]` prints the figures and puts them into `build/bench.json` under the key
`exec_server`.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT), str(ROOT / "src"), str(ROOT / "tests")]

from benchmarks.results import Figure, publish  # noqa: E402 - the line above is what makes it known

from integration.exec_server.installation import install  # noqa: E402
from integration.exec_server.reference import (  # noqa: E402
    fetch_reference,
    reference_server,
)
from integration.exec_server.serving import over_websocket  # noqa: E402
from integration.exec_server.wire import encoded  # noqa: E402
from integration.published import PackageUnavailableError  # noqa: E402
from shelltool.exec_server.transports.websocket import WebSocketChannel, connect_websocket  # noqa: E402

REFERENCE = "0.169.0"
FILE_BYTES = 64 << 20
PROCESSES = 1000
AT_ONCE = 8
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
TARGETS = {
    "echo round trip": 0.2,
    "/bin/true, start to closed": 0.5,
    "fs/readFile of 64 MiB": 1.5,
    "sandboxed fs/getMetadata": 0.2,
    f"{PROCESSES} processes, {AT_ONCE} at a time": 1.0,
}


class Client:
    """One session, with as little between as possible."""

    def __init__(self, channel: WebSocketChannel, folder: Path) -> None:
        self._channel = channel
        self._folder = folder
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._closed: dict[str, asyncio.Future[None]] = {}
        self._output: dict[str, asyncio.Future[None]] = {}
        self._has_cat = False
        self._reading = asyncio.create_task(self._read())

    async def call(self, method: str, **params: Any) -> Any:
        """Send a request and give its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._channel.send(json.dumps({"id": number, "method": method, "params": params}).encode())
        found = await answer
        if "result" not in found:
            raise AssertionError(f"{method}: {found}")
        return found["result"]

    async def open(self) -> None:
        """Go through the handshake."""
        await self.call("initialize", clientName="bench")
        await self._channel.send(b'{"method":"initialized","params":{}}')

    async def run(self, *argv: str) -> None:
        """Run a process from start to close."""
        name = f"p{next(self._numbers)}"
        closed = self._closed[name] = asyncio.get_running_loop().create_future()
        await self.start(name, *argv)
        await closed

    async def start(self, name: str, *argv: str, **params: Any) -> None:
        """Start a process."""
        given = {"cwd": "file:///", "env": ENVIRONMENT, "tty": False, **params}
        await self.call("process/start", processId=name, argv=list(argv), **given)

    async def echo(self) -> None:
        """Write a line to `cat` and wait until it comes back."""
        if not self._has_cat:
            self._has_cat = True
            await self.start("cat", "cat", pipeStdin=True)
        heard = self._output["cat"] = asyncio.get_running_loop().create_future()
        number = str(next(self._numbers))
        await self.call("process/write", processId="cat", chunk=encoded(b"x\n"), writeId=number)
        await heard

    async def read_file(self) -> None:
        """Read a large file."""
        found = await self.call("fs/readFile", path=(self._folder / "large").as_uri())
        assert len(found["dataBase64"]) > FILE_BYTES

    async def metadata(self) -> None:
        """Look at a file in a sandbox."""
        path = self._folder.as_uri()
        entry = {"path": {"type": "path", "path": path}, "access": "read"}
        system = {"type": "restricted", "entries": [entry]}
        permissions = {"type": "managed", "network": "restricted", "file_system": system}
        sandbox = {"permissions": permissions, "cwd": path, "windowsSandboxLevel": "disabled"}
        await self.call("fs/getMetadata", path=path + "/small", sandbox=sandbox)

    async def many(self) -> None:
        """Run many processes, some at a time."""
        left = iter(range(PROCESSES))

        async def work() -> None:
            for _ in left:
                await self.run("/bin/true")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def _read(self) -> None:
        while (data := await self._channel.receive()) is not None:
            message = json.loads(data)
            name = message.get("params", {}).get("processId", "")
            if "id" in message:
                self._answers.pop(message["id"]).set_result(message)
            elif message["method"] == "process/closed" and name in self._closed:
                self._closed.pop(name).set_result(None)
            elif message["method"] == "process/output" and (heard := self._output.pop(name, None)):
                heard.set_result(None)


Pairs = list[dict[str, float]]
"""Milliseconds of both, one right after the other."""


async def measure(rounds: int) -> dict[str, Pairs]:
    """Give what each thing took."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/var/tmp")))
        (folder / "large").write_bytes(bytes(FILE_BYTES))
        (folder / "small").touch()
        ours = await stack.enter_async_context(over_websocket(install(folder / "installation")))
        peer = await stack.enter_async_context(reference_server(REFERENCE))
        clients: dict[str, Client] = {}
        for name, url in (("ours", ours.url), ("peer", peer)):
            clients[name] = Client(await connect_websocket(url), folder)
            await clients[name].open()
        echo, true, large, sandboxed, many = TARGETS
        return {
            echo: await compare(clients, Client.echo, rounds * 10),
            true: await compare(clients, lambda client: client.run("/bin/true"), rounds * 10),
            large: await compare(clients, Client.read_file, 5),
            sandboxed: await compare(clients, Client.metadata, rounds),
            many: await compare(clients, Client.many, 1, warm_ups=0),
        }


async def compare(
    clients: dict[str, Client], work: Callable[[Client], Awaitable[None]], rounds: int, warm_ups: int = 1
) -> Pairs:
    """Have both do the same thing by turns; the first turns do not count."""
    pairs: Pairs = []
    for _ in range(warm_ups + rounds):
        pair = {}
        for name, client in clients.items():
            began = time.perf_counter()
            await work(client)
            pair[name] = (time.perf_counter() - began) * 1000
        pairs.append(pair)
    return pairs[warm_ups:]


def main() -> int:
    """Measure, print and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    try:
        fetch_reference(REFERENCE)
    except PackageUnavailableError as error:
        print(f"not measured: {error}")
        return 0
    found = asyncio.run(measure(rounds))
    return publish(
        "exec_server",
        [
            Figure(name=name, unit="ms", pairs=pairs, target_ratio=TARGETS[name])
            for name, pairs in found.items()
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
