"""Periodic work: continue replays, end levels, cancel and expire events, delete old rows, pause idle streams, notify
people, and count data for the console."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

import structlog

from riskrelay.actions.account_deletion import continue_deletions, finish_deletions
from riskrelay.actions.bulk_resets import continue_bulk_resets
from riskrelay.actions.counts import FRESH, take_stock
from riskrelay.actions.due_levels import DueLevels
from riskrelay.actions.erasures import continue_erasures
from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.actions.large_writes import finish_abandoned_writes
from riskrelay.actions.notification_channels import Notifying
from riskrelay.actions.notify import queue_notifications, send_notifications
from riskrelay.actions.old_rows import walk_findings, walk_level_changes
from riskrelay.actions.replays import continue_replays
from riskrelay.actions.upkeep import (
    analyze_tables,
    cancel_events,
    expire_events,
    purge_events,
    purge_records,
    turn_partitions,
)
from riskrelay.actions.watch_clock import ClockWatch
from riskrelay.core.errors import Unavailable
from riskrelay.ports import Services

_log = structlog.get_logger()

REPLAY_SWEEP = timedelta(seconds=1)  # the longest time a replay waits after a lane can take events again
CANCEL_SWEEP = timedelta(seconds=1)  # the longest time until the rest of a large backlog is cancelled
RESET_SWEEP = timedelta(seconds=1)  # the longest time until a new bulk reset takes its first step
ANALYZE_SWEEP = timedelta(seconds=1)  # a new table can get thousands of rows in its first second
CLOCK_SWEEP = timedelta(seconds=1)  # waits may be wrong for this long after the database's clock was set back
ERASURES_SWEEP = timedelta(seconds=1)  # the longest time until an interrupted erasure goes on
WRITES_SWEEP = timedelta(seconds=1)  # requests of an account wait until its large write ends
LEVELS_SWEEP = timedelta(seconds=1)  # a level may last so much longer than its findings count, and rules wait so long
SWEEP = timedelta(minutes=1)  # guessed: an event may be kept this much longer than its retention
NOTIFY_SWEEP = timedelta(minutes=1)  # specified: how late a channel may be notified
SEND_SWEEP = timedelta(seconds=5)  # chosen: how long a queued message waits
RECORDS_SWEEP = timedelta(hours=1)  # chosen: records are kept for days
FINDINGS_SWEEP = timedelta(hours=6)  # chosen: a finding may be kept this much longer than its retention
_STOCK_SHARE = 50  # chosen: counting takes at most 2 % of one core's time
# guessed: a pause between two bounded transactions, so that other work gets the database
_BETWEEN = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long the service keeps events and records.

    Attributes:
        undelivered: how long an undelivered event is kept and retried.
        settled: how long after that the event, its attempts and its outcome are kept.
        audit: how long audit entries are kept.
        findings: how long findings are kept, from the time at which they occurred.
    """

    undelivered: timedelta
    settled: timedelta
    audit: timedelta
    findings: timedelta


class Chores:
    """Runs the periodic work until it is stopped.

    Several processes may run it at the same time, because each step is one fenced transaction.

    Args:
        levels_per_second: the largest number of users per second whose level is decided again because time has passed
            or rules apply.
        notifying: None: no channel is notified.
    """

    def __init__(
        self,
        services: Services,
        retention: Retention,
        levels_per_second: int,
        notifying: Notifying | None = None,
    ) -> None:
        self._services = services
        self._retention = retention
        self._due_levels = DueLevels(services, levels_per_second)
        self._notifying = notifying
        self._stopping = asyncio.Event()
        self._stock_due = 0.0
        self._clock_watch = ClockWatch(services)
        self._old_findings = walk_findings(services, retention.findings)
        self._old_level_changes = walk_level_changes(services, retention.findings)

    def stop(self) -> None:
        """Start no new step."""
        self._stopping.set()

    async def run(self) -> None:
        """Run all chores. Return after `stop`, when the running steps are done."""
        await asyncio.gather(
            self._repeat(self._replay, REPLAY_SWEEP),
            self._repeat(self._cancel, CANCEL_SWEEP),
            self._repeat(self._reset_users, RESET_SWEEP),
            self._repeat(self._finish_writes, WRITES_SWEEP),
            self._repeat(self._decide_levels, LEVELS_SWEEP),
            self._repeat(self._erase, ERASURES_SWEEP),
            self._repeat(self._tidy, SWEEP),
            self._repeat(self._purge_records, RECORDS_SWEEP),
            self._repeat(self._old_findings.remove_some, FINDINGS_SWEEP),
            self._repeat(self._old_level_changes.remove_some, FINDINGS_SWEEP),
            self._repeat(self._turn, SWEEP),
            self._repeat(self._analyze, ANALYZE_SWEEP),
            self._repeat(self._take_stock, FRESH),
            self._repeat(self._watch_clock, CLOCK_SWEEP),
            *self._notifications(),
        )
        try:
            await self._due_levels.stop()
        except Unavailable:
            _log.warning("chores_put_off")

    def _notifications(self) -> list[Coroutine[None, None, None]]:
        notifying = self._notifying
        if notifying is None:
            return []

        async def queue() -> bool:
            await queue_notifications(self._services, notifying)
            return False

        async def send() -> bool:
            return await send_notifications(self._services, notifying)

        return [self._repeat(queue, NOTIFY_SWEEP), self._repeat(send, SEND_SWEEP)]

    async def _replay(self) -> bool:
        return await continue_replays(self._services)

    async def _cancel(self) -> bool:
        return await cancel_events(self._services)

    async def _reset_users(self) -> bool:
        return await continue_bulk_resets(self._services)

    async def _finish_writes(self) -> bool:
        await finish_abandoned_writes(self._services)
        return False

    async def _decide_levels(self) -> bool:
        return await self._due_levels.decide() > 0

    async def _erase(self) -> bool:
        erased = await continue_erasures(self._services)
        return await continue_deletions(self._services) or erased

    async def _tidy(self) -> bool:
        expired = await expire_events(self._services, self._retention.undelivered)
        purged = await purge_events(self._services, self._retention.undelivered + self._retention.settled)
        idle = await pause_idle_streams(self._services)
        if idle:
            _log.info("idle_streams_paused", streams=idle)
        return bool(expired or purged or idle)

    async def _purge_records(self) -> bool:
        await finish_deletions(self._services)
        return await purge_records(
            self._services, self._retention.undelivered + self._retention.settled, self._retention.audit
        )

    async def _turn(self) -> bool:
        return await turn_partitions(self._services, self._retention.undelivered + self._retention.settled)

    async def _analyze(self) -> bool:
        await analyze_tables(self._services)
        return False

    async def _watch_clock(self) -> bool:
        await self._clock_watch.check()
        return False

    async def _take_stock(self) -> bool:
        """Count what each account holds. A large installation is counted less often than a small one."""
        began = self._services.clock.monotonic()
        if began >= self._stock_due:
            await take_stock(self._services)
            took = self._services.clock.monotonic() - began
            self._stock_due = began + _STOCK_SHARE * took
        return False

    async def _repeat(self, work: Callable[[], Awaitable[bool]], pause: timedelta) -> None:
        """Repeat *work* until `stop`: at once while it has more to do, otherwise after *pause*."""
        while not self._stopping.is_set():
            try:
                has_more = await work()
            except Unavailable:
                _log.warning("chores_put_off")
                has_more = False
            except Exception as error:  # noqa: BLE001  an error must not stop this chore or the others
                _log.error("chore_failed", exc_info=error)
                has_more = False
            try:
                async with asyncio.timeout((_BETWEEN if has_more else pause).total_seconds()):
                    await self._stopping.wait()
            except TimeoutError:
                continue
