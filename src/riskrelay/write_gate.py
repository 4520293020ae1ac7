"""Whether the store takes writes: while it does not, nothing new is pushed."""

import asyncio


class WriteGate:
    """Closed by a write that the store refused, opened by the next one that works, of any lane.

    A push whose outcome cannot be written would be repeated. So a lane that has something new to push first proves
    that the store takes writes again.
    """

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()

    @property
    def is_open(self) -> bool:
        """Whether the last write worked."""
        return self._is_open.is_set()

    def open(self) -> None:
        """Say that a write has worked. Wakes every lane that waits."""
        self._is_open.set()

    def close(self) -> None:
        """Say that the store refused a write."""
        self._is_open.clear()

    async def wait(self) -> None:
        """Return when a write has worked."""
        await self._is_open.wait()
