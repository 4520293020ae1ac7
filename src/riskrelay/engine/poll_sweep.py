"""Scan for events that other nodes queued for the streams that receivers poll on this node."""

import asyncio
from datetime import timedelta

import structlog

from riskrelay.actions.wake_polls import wake_polls
from riskrelay.core.errors import Unavailable
from riskrelay.ports import Bell, Services

_log = structlog.get_logger()

SWEEP = timedelta(seconds=1)  # like the worker's sweep: a lost notice of another node delays a poll by at most this


class PollSweep:
    """Wakes waiting polls once a second, until it is stopped."""

    def __init__(self, services: Services, bell: Bell) -> None:
        self._services = services
        self._bell = bell
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Start no new scan."""
        self._stopping.set()

    async def run(self) -> None:
        """Scan once a second. Return after `stop`."""
        while not self._stopping.is_set():
            try:
                await wake_polls(self._services, self._bell)
            except Unavailable as error:
                _log.warning("poll_sweep_failed", error=str(error))
            try:
                async with asyncio.timeout(SWEEP.total_seconds()):
                    await self._stopping.wait()
            except TimeoutError:
                continue
