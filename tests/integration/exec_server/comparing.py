"""Playing the recorded list against a server, and comparing what two servers said, field by field."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.exec_server.recorded import steps
from integration.exec_server.recording import PATH, Ask, At, Run, Step, Web, lay_out
from integration.exec_server.wire import Wire, encoded

Transcript = dict[str, Any]
VOLATILE = {"modifiedAtMs", "sessionId"}
MISSING = "(missing)"


@dataclass(frozen=True, slots=True)
class Player:
    """Where a server's part of the list is played: its folder, a web server, and how it takes paths."""

    root: Path
    web: str
    native: bool


async def play(wire: Wire, player: Player) -> Transcript:
    """Ask everything; gives what was answered, by the name of the step."""
    lay_out(player.root)
    transcript: Transcript = {}
    for step in steps():
        if not (player.native and step.newer):
            assert step.name not in transcript or isinstance(step, Ask), step.name
            name = step.name
            while name in transcript:
                name += " again"
            transcript[name] = normalized(await _play(wire, step, player), player.root)
    return transcript


async def _play(wire: Wire, step: Step, player: Player) -> Any:
    if isinstance(step, Ask):
        answer = await (await wire.ask(step.method, **_written(step.params, player)))
        return {name: value for name, value in answer.items() if name != "id"}
    return await _run(wire, step, player)


async def _run(wire: Wire, step: Run, player: Player) -> Any:
    given = {"cwd": At(), "env": PATH, "tty": False, **step.params}
    params = _written({"processId": step.name, "argv": list(step.argv), **given}, player)
    answer = await (await wire.ask("process/start", **params))
    if "error" in answer:
        return {"start": answer["error"]}
    if step.says_first:
        await wire.wait_for_output(step.name, step.says_first)
    for number, data in enumerate(step.stdin):
        await wire.call("process/write", processId=step.name, chunk=encoded(data), writeId=str(number + 1))
    closed = await wire.wait_for(step.name, "process/closed")
    exited = await wire.wait_for(step.name, "process/exited")
    events = wire.events[step.name]
    streams = sorted({event["stream"] for name, event in events if name == "process/output"})
    texts = {stream: wire.output(step.name, stream).decode("latin-1") for stream in streams}
    numbers = sorted(event["seq"] for _, event in events)
    return {
        "start": answer["result"],
        "output": texts,
        "exited": {name: value for name, value in exited.items() if name != "seq"},
        "closed": {name: value for name, value in closed.items() if name != "seq"},
        "contiguous": numbers == list(range(1, len(numbers) + 1)),
    }


def _written(value: Any, player: Player) -> Any:
    if isinstance(value, Web):
        return player.web + value.path
    if isinstance(value, At):
        path = player.root / value.name if value.name else player.root
        return str(path) if player.native else path.as_uri()
    if isinstance(value, dict):
        return {name: _written(item, player) for name, item in value.items()}
    if isinstance(value, list):
        return [_written(item, player) for item in value]
    return value


def normalized(value: Any, root: Path) -> Any:
    """Take out what can't be the same: the folder, times, the order of folders' entries."""
    if isinstance(value, dict):
        found = {
            name: MISSING if name in VOLATILE else normalized(item, root) for name, item in value.items()
        }
        if found.get("createdAtMs"):
            found["createdAtMs"] = "some time"
        return found
    if isinstance(value, list):
        items = [normalized(item, root) for item in value]
        if items and all(isinstance(item, dict) and "fileName" in item for item in items):
            items.sort(key=lambda item: item["fileName"])
        return items
    return re.sub(re.escape(str(root)), "ROOT", value) if isinstance(value, str) else value


def differences(ours: Transcript, theirs: Transcript) -> Iterator[tuple[str, str, Any, Any]]:
    """Give every field in which they differ: the step, the place in it, and both values."""
    for step in theirs:
        for place, mine, other in _fields("", ours.get(step, MISSING), theirs[step]):
            yield step, place, mine, other


def _fields(place: str, mine: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(mine, dict) and isinstance(other, dict):
        for name in sorted({*mine, *other}):
            below = f"{place}.{name}" if place else name
            yield from _fields(below, mine.get(name, MISSING), other.get(name, MISSING))
    elif isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
        for number, (one, two) in enumerate(zip(mine, other, strict=True)):
            yield from _fields(f"{place}[{number}]", one, two)
    elif mine != other:
        yield place, mine, other
