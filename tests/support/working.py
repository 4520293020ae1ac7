"""A worker that runs while a test looks on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.ssf.streams import Stream
from riskrelay.engine.worker import Worker
from riskrelay.ports import Services
from support.delivering import World


class BatchSizes:
    """Implements ports.Observer: how many events each batch tried, in the order in which they were settled."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        self.seen.append(len(attempts))


@asynccontextmanager
async def running(world: World, idle_hold: timedelta) -> AsyncIterator[tuple[Worker, Services]]:
    """A worker that has looked for what is due, and an outside whose commits wake it."""
    worker = Worker(world.services, world.delivering, idle_hold)
    task = asyncio.create_task(worker.run())
    try:
        await until(lambda: worker.sweeps > 0 and worker.lanes_held == 0)
        yield worker, replace(world.services, wake=worker.wake)
    finally:
        worker.stop()
        await task


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds. Fails after a minute."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)
