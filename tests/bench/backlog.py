"""What an event costs, and what memory the service takes, with an empty ledger and with a million rows."""

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from bench.bulk import open_bulk
from bench.deliveries import Lane, attempt_rows, event_rows
from riskrelay.bench.installation import Installation
from riskrelay.bench.receiver import BenchReceiver
from riskrelay.bench.scenarios import BATCH, Measured, Place, settled
from riskrelay.storage import tables

_PATIENCE_SECONDS = 300
_HOUR_US = 3_600_000_000


async def backlog(place: Place, rows: int, events: int) -> list[Measured]:
    """Measurements on one installation, each made twice: accepting and delivering *events*, and draining as many that
    wait; both with an empty ledger, and again with *rows* delivered ones in it, or with *rows* that wait.

    Args:
        rows: how big the ledger becomes.
        events: how many each measurement takes.
    """
    async with Installation(place.directory, place.database_url, place.workers) as installation:
        bench = _Backlog(installation, place)
        await bench.prepare()
        found = [await bench.sustained("empty ledger", events) for _ in range(2)]
        for _ in range(2):
            await bench.add(events, delivered=False)
            found.append(await bench.drained("backlog as small as what is drained", events))
        await bench.add(rows, delivered=True)
        found += [await bench.sustained(f"{rows:,} delivered", events) for _ in range(2)]
        await bench.add(rows, delivered=False)
        found += [await bench.drained(f"backlog of {rows:,}", events) for _ in range(2)]
    return found


class _Backlog:
    """One installation with one integration, filled from outside while nobody serves it."""

    def __init__(self, installation: Installation, place: Place) -> None:
        self._installation = installation
        self._place = place
        self._receiver = BenchReceiver(place.receiver_command)
        self._rows = 0
        self._runs = 0

    async def prepare(self) -> None:
        """Create the integration."""
        await self._installation.start()
        await self._installation.prepare(self._receiver)
        await self._installation.stop()

    async def sustained(self, variant: str, events: int) -> Measured:
        """Accept, sign, push and settle."""
        self._runs += 1
        target = self._installation.target()
        emails = [f"r{self._runs}-{number}@bench.example" for number in range(events)]
        batches = [target.batch(emails[start : start + BATCH]) for start in range(0, events, BATCH)]
        await self._receiver.start(self._installation.processes)
        await self._installation.start()
        await self._installation.calm()
        before = await self._installation.delivered()
        began = time.perf_counter()
        async with self._installation.load() as load:
            await load.closed_loop(iter(batches), 1)
        await settled(self._installation, before + events)
        taken = time.perf_counter() - began
        self._rows += events
        return await self._finished("backlog", variant, events, taken)

    async def drained(self, variant: str, events: int) -> Measured:
        """Of what waits, time the second half of the first *events* that are delivered."""
        await self._receiver.start(self._installation.processes)
        await self._installation.start()
        await self._receiver.wait_for(events // 2, _PATIENCE_SECONDS)
        first, began = await self._receiver.count(), time.perf_counter()
        await self._receiver.wait_for(events, _PATIENCE_SECONDS)
        last, taken = await self._receiver.count(), time.perf_counter() - began
        return await self._finished("drain", variant, last - first, taken)

    async def _finished(self, scenario: str, variant: str, events: int, taken: float) -> Measured:
        figures = {"cost_us": taken / max(events, 1) * 1e6, "memory_mb": self._installation.memory_mb()}
        await self._installation.stop()
        await self._receiver.stop()
        return Measured(
            scenario=scenario,
            engine=self._installation.engine,
            workers=self._place.workers,
            variant=variant,
            figures=figures,
        )

    async def add(self, rows: int, *, delivered: bool) -> None:
        """Put *rows* more events behind those that are there."""
        now = time.time_ns() // 1_000
        async with open_bulk(self._installation.database_url) as bulk:
            ((stream_id, last_seq),) = await bulk.select("SELECT stream_id, last_seq FROM lanes WHERE lane = 0")
            lane = Lane(self._installation.accounts[0], stream_id, rows, now - _HOUR_US, now - 1_000_000)
            events = event_rows([lane], lambda user: f"waiting-{user}@bench.example", seed=self._rows)
            await bulk.insert(tables.events, *_behind(events, last_seq))
            settled_too = f", cursor = cursor + {rows}, delivered = delivered + {rows}"
            if delivered:
                await bulk.insert(tables.attempts, *_behind(attempt_rows([lane]), last_seq))
            await bulk.update(
                f"UPDATE lanes SET last_seq = last_seq + {rows}, due_at = {now}{settled_too if delivered else ''} "
                "WHERE lane = 0"
            )
        self._rows += rows


def _behind(rows: Iterator[dict[str, Any]], last_seq: int) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Rows with their numbers moved behind *last_seq*."""
    first = next(rows)

    def moved() -> Iterator[tuple[Any, ...]]:
        for row in chain([first], rows):
            row["seq"] += last_seq
            yield tuple(row.values())

    return list(first), moved()
