"""A channel: whole messages in both directions, whatever carries them. The transports are in `transports/`."""

from typing import Protocol


class Channel(Protocol):
    """One connection's. Its user receives in one task and sends in one task."""

    @property
    def name(self) -> str:
        """What the other side is called in messages and logs."""

    async def receive(self) -> bytes | str | None:
        """Give the next message; None: there are no more."""

    async def send(self, data: bytes) -> None:
        """Send a message; waits while the other side is too slow. `ChannelClosedError`: it is gone."""

    async def close(self) -> None:
        """End it; what was not sent is lost. May be called from any task, and more than once."""

    async def is_alive(self, timeout_s: float) -> bool:
        """Tell whether the other side still answers."""
