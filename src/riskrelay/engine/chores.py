"""What has to be done from time to time: replays go on, events expire, old rows go, idle streams are paused, and what
the console shows is counted."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from riskrelay.actions.counts import FRESH, take_stock
from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.actions.large_writes import finish_abandoned_writes
from riskrelay.actions.replays import continue_replays
from riskrelay.actions.upkeep import analyze_tables, expire_events, purge_events, purge_records, turn_partitions
from riskrelay.actions.watch_clock import ClockWatch
from riskrelay.core.errors import Unavailable
from riskrelay.ports import Outside

_log = structlog.get_logger()

REPLAY_SWEEP = timedelta(seconds=1)  # a replay waits at most so long for a lane that can go on again
ANALYZE_SWEEP = timedelta(seconds=1)  # a new table takes thousands of rows in its first second
CLOCK_SWEEP = timedelta(seconds=1)  # for as long may waits be wrong after the database's clock was put back
WRITES_SWEEP = timedelta(seconds=1)  # requests of an account wait for its large write to end
SWEEP = timedelta(minutes=1)  # guessed: as long may an event live beyond its retention
RECORDS_SWEEP = timedelta(hours=1)  # chosen: they are kept for days
_STOCK_SHARE = 50  # chosen: counting takes at most 2 % of one core's time
_BETWEEN = timedelta(milliseconds=50)  # guessed: leaves the database to others between two bounded transactions


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept.

    Attributes:
        undelivered: how long an event is kept and tried.
        settled: how long after that its row, its attempts and what became of it are kept.
        audit: how long audit entries are kept.
    """

    undelivered: timedelta
    settled: timedelta
    audit: timedelta


class Chores:
    """Does them until it is stopped. Several processes may do them at once: each step is one fenced transaction."""

    def __init__(self, outside: Outside, retention: Retention) -> None:
        self._outside = outside
        self._retention = retention
        self._stopping = asyncio.Event()
        self._stock_due = 0.0
        self._clock_watch = ClockWatch(outside)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Return after `stop`, when what is under way is done."""
        await asyncio.gather(
            self._repeat(self._replay, REPLAY_SWEEP),
            self._repeat(self._finish_writes, WRITES_SWEEP),
            self._repeat(self._tidy, SWEEP),
            self._repeat(self._purge_records, RECORDS_SWEEP),
            self._repeat(self._turn, SWEEP),
            self._repeat(self._analyze, ANALYZE_SWEEP),
            self._repeat(self._take_stock, FRESH),
            self._repeat(self._watch_clock, CLOCK_SWEEP),
        )

    async def _replay(self) -> bool:
        return await continue_replays(self._outside)

    async def _finish_writes(self) -> bool:
        await finish_abandoned_writes(self._outside)
        return False

    async def _tidy(self) -> bool:
        expired = await expire_events(self._outside, self._retention.undelivered)
        purged = await purge_events(self._outside, self._retention.undelivered + self._retention.settled)
        idle = await pause_idle_streams(self._outside)
        if idle:
            _log.info("idle_streams_paused", streams=idle)
        return bool(expired or purged or idle)

    async def _purge_records(self) -> bool:
        return await purge_records(
            self._outside, self._retention.undelivered + self._retention.settled, self._retention.audit
        )

    async def _turn(self) -> bool:
        return await turn_partitions(self._outside, self._retention.undelivered + self._retention.settled)

    async def _analyze(self) -> bool:
        await analyze_tables(self._outside)
        return False

    async def _watch_clock(self) -> bool:
        await self._clock_watch.check()
        return False

    async def _take_stock(self) -> bool:
        """As often as it is cheap: a large installation is counted less often than a small one."""
        began = self._outside.clock.monotonic()
        if began >= self._stock_due:
            await take_stock(self._outside)
            took = self._outside.clock.monotonic() - began
            self._stock_due = began + _STOCK_SHARE * took
        return False

    async def _repeat(self, work: Callable[[], Awaitable[bool]], pause: timedelta) -> None:
        """Again at once while there is more to do, otherwise after *pause*."""
        while not self._stopping.is_set():
            try:
                has_more = await work()
            except Unavailable:
                _log.warning("chores_put_off")
                has_more = False
            except Exception as error:  # noqa: BLE001  the next time, and the other chores, must come all the same
                _log.error("chore_failed", exc_info=error)
                has_more = False
            try:
                async with asyncio.timeout((_BETWEEN if has_more else pause).total_seconds()):
                    await self._stopping.wait()
            except TimeoutError:
                continue
