"""Delivery while somebody holds an old snapshot, such as a dump or a forgotten transaction.

    PYTHONPATH=tests python -m bench.held_snapshot [--seconds 180] [--idle-hold 0]

PostgreSQL may clean up nothing that the snapshot could still see, so whatever a batch updates grows versions. One run
works on two databases of one server in turn, change by change, and holds a snapshot on one of them: whatever else the
machine does, it does to both. The receivers are in memory: what the database costs shows as it is, without HTTP and
signing beside it. Without lingering each change is recorded, claimed, read, pushed, settled and released by itself: the
most updates of the lane's row for an event that there can be. Prints one line of JSON: the medians of a change and of
one look-up of the lane's row (by EXPLAIN ANALYZE, with the pages it touched), before, at the end of, and after the time
that the snapshot is held.
"""

import argparse
import asyncio
import itertools
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from statistics import median

import asyncpg
import structlog

from riskrelay.engine.worker import Worker
from riskrelay.storage.delivery import lanes
from support.databases import PostgresServer, migrated_postgres
from support.delivering import world_of
from support.explaining import explain
from support.services import HandClock
from support.world import ACCOUNT, finding, record

WINDOW_SECONDS = 20.0
LOOK_UPS = 200
PRELOADED = 5_000  # so that no index grows another level between the windows


@dataclass(frozen=True, slots=True)
class Window:
    """Medians: the time from recording a change to settling it and, without an idle hold, releasing its lane; and the
    time of one query for the lane's row."""

    changes: int
    change_ms: float
    look_up_ms: float
    look_up_pages: float


class Site:
    """A database with an integration, and a worker on it."""

    def __init__(self, server: PostgresServer, idle_hold: timedelta) -> None:
        self._server, self._idle_hold = server, idle_hold
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Make it, with some changes that were delivered."""
        self.url = await self._server.new_database()
        self._world = await world_of(await migrated_postgres(self.url), HandClock())
        self._worker = Worker(self._world.services, self._world.delivering, self._idle_hold)
        self._services = replace(self._world.services, wake=self._worker.wake)
        self._running = asyncio.create_task(self._worker.run())
        self._watcher = await asyncpg.connect(self.url)
        for _ in range(PRELOADED // 1_000):
            await self.deliver(1_000)

    async def deliver(self, changes: int = 1) -> float:
        """How long it took from being recorded, in seconds."""
        began, wanted = time.perf_counter(), len(self._world.receiver.accepted) + changes
        await record(self._services, *(finding(f"{next(self._numbers)}@example.com") for _ in range(changes)))
        while len(self._world.receiver.accepted) < wanted or (self._worker.lanes_held and not self._idle_hold):
            await asyncio.sleep(0.0005)
        return time.perf_counter() - began

    async def look_up(self) -> tuple[float, int]:
        """Milliseconds and pages that the server needs for the lane's row."""
        (key,) = await self._watcher.fetch("SELECT stream_id AS stream, lane AS lane_number, epoch AS mine FROM lanes")
        explained = await explain(self._watcher, lanes._OWNED, account=ACCOUNT, **dict(key))
        return explained.milliseconds, explained.pages

    async def close(self) -> None:
        """Stop the worker and leave the database."""
        self._worker.stop()
        await self._running
        await self._watcher.close()
        await self._world.services.store.close()


async def deliver_in_turn(sites: Sequence[Site], seconds: float) -> list[list[float]]:
    """How long each change took, by site."""
    took: list[list[float]] = [[] for _ in sites]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for site, times in zip(sites, took, strict=True):
            times.append(await site.deliver())
    return took


async def windows(sites: Sequence[Site]) -> list[Window]:
    """One of each site."""
    took = await deliver_in_turn(sites, WINDOW_SECONDS)
    looked = [[await site.look_up() for site in sites] for _ in range(LOOK_UPS)]
    found = []
    for times, look_ups in zip(took, zip(*looked, strict=True), strict=True):
        look_up_ms, pages = (median(values) for values in zip(*look_ups, strict=True))
        found.append(Window(len(times), round(1000 * median(times), 3), round(look_up_ms, 4), pages))
    return found


async def measure(held_seconds: float, idle_hold: timedelta) -> dict[str, object]:
    """One run on a server of its own."""
    server = PostgresServer()
    try:
        sites = [Site(server, idle_hold), Site(server, idle_hold)]
        for site in sites:
            await site.open()
        before = await windows(sites)
        holder = await asyncpg.connect(sites[0].url)
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetchval("SELECT count(*) FROM lanes")
            await deliver_in_turn(sites, max(held_seconds - WINDOW_SECONDS, 0))
            during = await windows(sites)
        after = await windows(sites)
        await holder.close()
        for site in sites:
            await site.close()
    finally:
        server.stop()
    found = {"before": before, "during": during, "after": after}
    return {
        "held_seconds": held_seconds,
        **{name: {"held": asdict(held), "free": asdict(free)} for name, (held, free) in found.items()},
        "ratio": {name: round(held.change_ms / free.change_ms, 3) for name, (held, free) in found.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the snapshot is held")
    parser.add_argument(
        "--idle-hold", type=float, default=0.0, help="how long the workers keep an idle lane, in seconds"
    )
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    idle_hold = timedelta(seconds=arguments.idle_hold)
    print(json.dumps(asyncio.run(measure(arguments.seconds, idle_hold))))


if __name__ == "__main__":
    main()
