"""Delivery while somebody holds an old snapshot, such as a dump or a forgotten transaction.

    PYTHONPATH=tests python -m bench.held_snapshot [--seconds 180] [--linger 0]

PostgreSQL may clean up nothing that the snapshot could still see, so whatever a batch updates grows versions. One run
measures without it, at its end, and after it, on a database of its own, with a receiver in memory: what the database
costs shows as it is, without HTTP and signing beside it. Without lingering each change is recorded, claimed, read,
pushed, settled and released by itself: the most updates of the lane's row for an event that there can be. Prints one
line of JSON; pages and milliseconds of the server are per change and PostgreSQL's own count, so that a busy machine
does not show in the pages.
"""

import argparse
import asyncio
import itertools
import json
import logging
import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from statistics import median

import asyncpg
import structlog

from riskrelay.actions.analyze_tables import analyze_tables
from riskrelay.worker import Worker
from support.databases import PostgresServer, migrated_postgres
from support.delivering import World, world_of
from support.outside import HandClock
from support.world import finding, record

WINDOW_SECONDS = 15.0
WARM_UP_SECONDS = 5.0
PRELOADED = 10_000  # so that no index grows another level between the windows
STATS_SECONDS = 1.5  # a session tells the server of what it read at most once a second

_READ = "SELECT blks_hit + blks_read, active_time FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Window:
    """What changes cost in a span of time: the median from being recorded to being settled and, if the worker does not
    linger, released; and what the server did for each."""

    median_ms: float
    pages: float
    server_ms: float
    per_second: float


class Bench:
    """A worker on a database, and somebody who records one change after the other."""

    def __init__(self, world: World, watcher: asyncpg.Connection, linger: timedelta) -> None:
        self._linger = linger
        self._worker = Worker(world.outside, world.delivering, linger)
        self._world, self._outside = world, replace(world.outside, wake=self._worker.wake)
        self._watcher = watcher
        self._numbers = itertools.count()

    async def deliver(self, seconds: float) -> list[float]:
        """How long each change took, for so many seconds."""
        began, took = time.perf_counter(), []
        while (start := time.perf_counter()) - began < seconds:
            before = len(self._world.receiver.accepted)
            await record(self._outside, finding(f"{next(self._numbers)}@example.com"))
            while len(self._world.receiver.accepted) == before or (self._worker.lanes_held and not self._linger):
                await asyncio.sleep(0.0005)
            took.append(time.perf_counter() - start)
        return took

    async def measure(self) -> Window:
        """A window with what the server did in it."""
        await asyncio.sleep(STATS_SECONDS)
        pages, active_ms = await self._watcher.fetchrow(_READ)
        took = await self.deliver(WINDOW_SECONDS)
        await asyncio.sleep(STATS_SECONDS)
        pages_after, active_ms_after = await self._watcher.fetchrow(_READ)
        return Window(
            round(1000 * median(took), 3),
            round((pages_after - pages) / len(took), 1),
            round((active_ms_after - active_ms) / len(took), 3),
            round(len(took) / WINDOW_SECONDS, 1),
        )

    async def run(self, url: str, held_seconds: float) -> dict[str, Window]:
        """Without a held snapshot, at the end of *held_seconds* with one, and after it."""
        running = asyncio.create_task(self._worker.run())
        for _ in range(PRELOADED // 1_000):
            await record(self._outside, *(finding(f"{next(self._numbers)}@example.com") for _ in range(1_000)))
        await self.deliver(WARM_UP_SECONDS)
        await analyze_tables(self._outside)
        windows = {"without": await self.measure()}
        holder = await asyncpg.connect(url)
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetchval("SELECT count(*) FROM lanes")
            await self.deliver(max(held_seconds - WINDOW_SECONDS, 0))
            windows["held"] = await self.measure()
        windows["after"] = await self.measure()
        await holder.close()
        self._worker.stop()
        await running
        return windows


async def measure(held_seconds: float, linger: timedelta) -> dict[str, object]:
    """One run on a server of its own."""
    server = PostgresServer()
    try:
        url = await server.new_database()
        world = await world_of(await migrated_postgres(url), HandClock())
        watcher = await asyncpg.connect(url)
        windows = await Bench(world, watcher, linger).run(url, held_seconds)
        await watcher.close()
        await world.outside.store.close()
    finally:
        server.stop()
    held, without = windows["held"], windows["without"]
    return {
        "held_seconds": held_seconds,
        **{name: asdict(window) for name, window in windows.items()},
        "median_ratio": round(held.median_ms / without.median_ms, 3),
        "pages_ratio": round(held.pages / without.pages, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the snapshot is held")
    parser.add_argument("--linger", type=float, default=0.0, help="how long the worker keeps an idle lane, in seconds")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    linger = timedelta(seconds=arguments.linger)
    print(json.dumps(asyncio.run(measure(arguments.seconds, linger))))


if __name__ == "__main__":
    main()
