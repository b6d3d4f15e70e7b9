"""Standard input of one process as clients see it: idempotent writes, a bound on what waits, and its end."""

import contextlib
import termios
from collections import OrderedDict
from typing import Literal

from shelltool.exec_server.errors import invalid_request
from shelltool.exec_server.processes.streams import InputStream

ROOM_BYTES = 1 << 20
"""A write is answered when no more than this waits to be read by the process."""
LIMIT_BYTES = 32 << 20
"""What may wait in all; a write beyond it is refused and not waited for, so that the connection goes on."""
WRITE_IDS_REMEMBERED = 65_536
END_OF_FILE = b"\x04"

Status = Literal["accepted", "stdinClosed"]


class StandardInput:
    """What a process reads, if it has something to read from."""

    def __init__(self, stream: InputStream | None, *, terminal: bool) -> None:
        self._stream = stream
        self._is_terminal = terminal
        self._write_ids: OrderedDict[str, None] = OrderedDict()

    async def write(self, data: bytes, write_id: str | None) -> Status:
        """Queue bytes, unless these were there before; wait while too many are queued."""
        if self._stream is None:
            return "stdinClosed"
        if write_id is not None and write_id in self._write_ids:
            return "accepted"
        if not self._stream.is_open:
            return "stdinClosed"
        waiting = self._stream.queued_bytes
        if waiting and waiting + len(data) > LIMIT_BYTES:
            raise invalid_request(
                f"the process reads nothing: {waiting} bytes of its standard input wait already"
            )
        # Both at once: a client that loses the answer asks again, and must not be told of bytes that are not there.
        self._remember(write_id)
        self._stream.write(data)
        await self._stream.room(ROOM_BYTES)
        return "accepted"

    def end(self) -> Status:
        """End it behind what is queued."""
        if self._stream is None or not self._stream.is_open:
            return "stdinClosed"
        if self._is_terminal:
            self._stream.write(END_OF_FILE)
        else:
            self._stream.end()
        return "accepted"

    def resize(self, rows: int, columns: int) -> bool:
        """Set the size of the terminal; False: it is none."""
        if self._stream is None or not self._is_terminal:
            return False
        with contextlib.suppress(OSError, termios.error):  # the process has ended meanwhile
            self._stream.set_terminal_size(rows, columns)
        return True

    def forget(self) -> None:
        """Close it, whatever is queued."""
        if self._stream:
            self._stream.close()

    def _remember(self, write_id: str | None) -> None:
        if write_id is not None:
            self._write_ids[write_id] = None
            if len(self._write_ids) > WRITE_IDS_REMEMBERED:
                self._write_ids.popitem(last=False)
