"""Delivery while somebody holds an old snapshot, such as a dump or a forgotten transaction.

    PYTHONPATH=tests python -m bench.held_snapshot [--seconds 120]

PostgreSQL may clean up nothing that the snapshot could still see, so the rows that every batch updates grow versions.
One run measures without and with it, on a database of its own, with a receiver in memory: what the database costs shows
as it is, without HTTP and signing beside it. Prints one line of JSON.
"""

import argparse
import asyncio
import itertools
import json
import time

import asyncpg

from riskrelay.actions.analyze_tables import analyze_tables
from support.databases import PostgresServer, migrated_postgres
from support.delivering import World, world_of
from support.outside import HandClock
from support.world import finding, record

WINDOW_SECONDS = 10.0
WARM_UP_SECONDS = 3.0


async def rate(world: World, numbers: "itertools.count[int]", seconds: float) -> float:
    """Changes a second, each recorded, claimed, read, pushed, settled and released by itself: the most updates of the
    lane's row for an event that there can be."""
    began, done = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        await record(world.outside, finding(f"{next(numbers)}@example.com"))
        await world.deliver_once(256)
        done += 1
    return done / took


async def measure(seconds: float) -> dict[str, float]:
    """Without a held snapshot, and at the end of *seconds* with one."""
    server = PostgresServer()
    try:
        url = await server.new_database()
        world = await world_of(await migrated_postgres(url), HandClock())
        numbers = itertools.count()
        await rate(world, numbers, WARM_UP_SECONDS)
        await analyze_tables(world.outside)
        without = await rate(world, numbers, WINDOW_SECONDS)
        holder = await asyncpg.connect(url)
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetchval("SELECT count(*) FROM lanes")
            await rate(world, numbers, max(seconds - WINDOW_SECONDS, 0))
            held = await rate(world, numbers, WINDOW_SECONDS)
        after = await rate(world, numbers, WINDOW_SECONDS)
        await holder.close()
        await world.outside.store.close()
    finally:
        server.stop()
    return {
        "held_seconds": seconds,
        "without_per_second": round(without, 1),
        "held_per_second": round(held, 1),
        "after_per_second": round(after, 1),
        "ratio": round(held / without, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    print(json.dumps(asyncio.run(measure(parser.parse_args().seconds))))


if __name__ == "__main__":
    main()
