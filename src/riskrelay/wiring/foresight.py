"""From running transactions to the worker: events that it can sign before they are durable."""

import asyncio
from collections.abc import Sequence

from riskrelay.core.delivery.handover import WokenLane
from riskrelay.engine.worker import Worker


class Foresight:
    """Announces events of running transactions, which SQLite runs on a thread, to the worker of this process."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, worker: Worker) -> None:
        """Announce events to *worker* from now on. Call it on its event loop."""
        self._worker, self._loop = worker, asyncio.get_running_loop()

    def foresee(self, lanes: Sequence[WokenLane]) -> None:
        """Announce events that the running transaction is about to commit."""
        if self._worker is not None and self._loop is not None and any(map(self._worker.can_foresee, lanes)):
            self._loop.call_soon_threadsafe(self._worker.foresee, lanes)
