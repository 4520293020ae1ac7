"""Wake requests of this process that wait for events of a stream."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from riskrelay.core.delivery.handover import WokenLane, lane_of
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.web.work import waiting

MAX_LISTENERS = 8_000  # chosen: below the server's limit of connections, so that other clients get through


class Listener:
    """Implements ports.Listening."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self._rung = asyncio.Event()

    async def wait(self, at_most: timedelta) -> bool:
        try:
            async with waiting(), asyncio.timeout(at_most.total_seconds()):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True

    def ring(self) -> None:
        """End the wait, now or the next one."""
        self._rung.set()


class StreamBell:
    """Implements ports.Bell."""

    def __init__(self) -> None:
        self._listeners: dict[StreamId, set[Listener]] = defaultdict(set)
        self._accounts: dict[StreamId, AccountId] = {}
        self._count = 0
        self._is_open = True

    @contextmanager
    def listen(self, account_id: AccountId, stream_id: StreamId) -> Iterator[Listener]:
        listener = Listener(is_open=self._is_open and self._count < MAX_LISTENERS)
        self._listeners[stream_id].add(listener)
        self._accounts[stream_id] = account_id
        self._count += 1
        try:
            yield listener
        finally:
            self._count -= 1
            self._listeners[stream_id].discard(listener)
            if not self._listeners[stream_id]:
                del self._listeners[stream_id], self._accounts[stream_id]

    def listened(self) -> list[tuple[AccountId, StreamId]]:
        return [(account_id, stream_id) for stream_id, account_id in self._accounts.items()]

    def ring(self, lanes: Sequence[WokenLane]) -> None:
        """Wake the requests that wait for events of *lanes*. Call it on their event loop, after the commit."""
        for lane in map(lane_of, lanes):
            for listener in self._listeners.get(lane.stream_id, ()):
                listener.ring()

    def close(self) -> None:
        """End all waits, and allow no new ones."""
        self._is_open = False
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.is_open = False
                listener.ring()
