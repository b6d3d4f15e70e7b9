"""How a client gets a channel, again and again if need be: over WebSocket, or from a program on its stdin and stdout."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from shelltool.exec_server.channel import Channel
from shelltool.exec_server.errors import ChannelClosedError
from shelltool.exec_server.transports.lines import LineChannel
from shelltool.exec_server.transports.websocket import ANSWER_BYTES, Limits, connect_websocket

END_S = 5.0


@dataclass(frozen=True, slots=True)
class Connector:
    """Makes channels. `can_return`: whether another channel leads to the same server."""

    connect: Callable[[], Awaitable[Channel]]
    can_return: bool


def websocket_connector(url: str, *, token: str | None = None, limits: Limits | None = None) -> Connector:
    """Connect to a server that listens."""
    return Connector(lambda: connect_websocket(url, token=token, limits=limits), can_return=True)


def program_connector(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Connector:
    """Start a server that speaks on stdin and stdout; it ends with the channel."""

    async def connect() -> Channel:
        try:
            child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)  # noqa: ASYNC220
        except OSError as error:
            raise ChannelClosedError(f"{argv[0]}: {error.strerror}") from error
        return ProgramChannel(child)

    return Connector(connect, can_return=False)


class ProgramChannel(LineChannel):
    """A child's standard streams."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None  # noqa: S101 - for the type checker
        assert child.stdout is not None  # noqa: S101 - as above
        super().__init__(
            os.dup(child.stdout.fileno()),
            os.dup(child.stdin.fileno()),
            name=f"process {child.pid}",
            line_bytes=ANSWER_BYTES,
        )
        child.stdin.close()
        child.stdout.close()
        self._child = child

    async def close(self) -> None:
        """Close its stdin, which ends it, and see that it does."""
        await super().close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.shield(asyncio.to_thread(self._child.wait, END_S))
            return
        self._child.kill()
        await asyncio.to_thread(self._child.wait)
