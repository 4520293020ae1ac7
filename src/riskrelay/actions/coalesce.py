"""Admit the next events of a lane that coalesces, and store which waiting level changes are superseded."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from riskrelay.core.delivery.coalescing import (
    Admission,
    BacklogPlan,
    BacklogScan,
    Knowledge,
    KnownLevel,
    Run,
    admission,
    collapse,
    room,
)
from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, LaneKey, LaneLease, LaneWork
from riskrelay.core.ssf.streams import CONTROL_LANE
from riskrelay.ports import Services

_PAGE = 1_000  # guessed: events of one read, a few milliseconds
_ROWS = 100  # rows that one transaction changes
_JUST_READ = timedelta(milliseconds=100)  # guessed: a tenth of the time that pushes of one read may take to start
_MAX_PLANS = 64  # of 125 kB at most; the lane of a plan that is dropped makes a new one


class BacklogPlans:
    """The plans of the lanes that one process works on. A plan is kept while its lane has the same owner."""

    def __init__(self) -> None:
        self._plans: OrderedDict[LaneKey, tuple[int, BacklogPlan]] = OrderedDict()
        self.scanning = asyncio.Lock()
        """Held during a long scan, so that the users of one backlog at a time are in memory."""

    def of(self, lease: LaneLease, work: LaneWork) -> BacklogPlan | None:
        """Return the plan of the lane's next event."""
        epoch, plan = self._plans.get(lease.key, (0, None))
        if plan is None or epoch != lease.epoch or not plan.start <= work.admitted < plan.through:
            return None
        return plan

    def keep(self, lease: LaneLease, plan: BacklogPlan) -> None:
        """Keep a plan, and drop the oldest if there are too many."""
        self._plans[lease.key] = (lease.epoch, plan)
        self._plans.move_to_end(lease.key)
        if len(self._plans) > _MAX_PLANS:
            self._plans.popitem(last=False)

    def drop(self, key: LaneKey) -> None:
        """Drop the plan of a lane, if there is one."""
        self._plans.pop(key, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitting:
    """How one owner admits events.

    Attributes:
        plans: the plans of this process.
        retention: how long undelivered events are kept.
        extend: how long each write extends the lease; zero: there is none, because the receiver polls.
    """

    services: Services
    plans: BacklogPlans
    retention: timedelta
    extend: timedelta


def coalesces(work: LaneWork, key: LaneKey) -> bool:
    """Return whether the events of a lane must be admitted before they are attempted."""
    stream = work.stream
    return stream is not None and key.lane != CONTROL_LANE and stream.integration.limits.coalesces_level_changes


def admitted_only(work: LaneWork) -> LaneWork:
    """Return the lane without the new events that may not be attempted."""
    return replace(work, fresh=[event for event in work.fresh if event.seq <= work.admitted])


async def admit_events(
    admitting: Admitting, lease: LaneLease, work: LaneWork, wanted: int
) -> tuple[LaneWork, float | None]:
    """Admit events until *wanted* of them are ready, and mark those that a later level change supersedes.

    Each step is one transaction of at most `MAX_READ_EVENTS` rows. A crash between two steps loses nothing: the next
    owner continues with what is stored.

    Args:
        work: the lane as it was just read under *lease*.

    Returns: the lane as it is now, with admitted events only, and the time by the monotonic clock before its lease was
        last extended; None: it was not.
    Raises:
        LeaseLost: another worker or poll owns the lane.
        Unavailable: the store refused.
    """
    services, extended_at = admitting.services, None
    read_at = services.clock.monotonic()
    while coalesces(work, lease.key) and _has_more(work) and room(work, wanted):
        plan = await _plan(admitting, lease, work)
        step = admission(work, plan, wanted)
        if step is None:
            break
        extended_at = services.clock.monotonic()
        await _write(admitting, lease, step)
        read_at = services.clock.monotonic()
        work = await read_lane(admitting, lease)
    if services.clock.monotonic() > read_at + _JUST_READ.total_seconds():
        work = await read_lane(admitting, lease)  # a scan took long, and the stream may have been edited meanwhile
    return admitted_only(work), extended_at


def _has_more(work: LaneWork) -> bool:
    """Return whether events above the admitted ones were read."""
    return bool(work.fresh) and work.fresh[-1].seq > work.admitted


async def _write(admitting: Admitting, lease: LaneLease, step: Admission) -> None:
    write = admitting.services.store.write_installation
    await write(lambda tx: tx.coalescing.admit(lease, step, admitting.extend))


async def read_lane(admitting: Admitting, lease: LaneLease) -> LaneWork:
    """Return the lane's state and its next events.

    Raises: LeaseLost.
    """
    read = admitting.services.store.read_installation
    return await read(lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, admitting.retention))


async def _plan(admitting: Admitting, lease: LaneLease, work: LaneWork) -> BacklogPlan:
    """Return the plan of the events above `work.admitted`. A new one is stored as far as it must survive a crash."""
    plans = admitting.plans
    plan = plans.of(lease, work)
    if plan is not None:
        return plan
    plans.drop(lease.key)
    if work.fresh and work.fresh[-1].seq == work.last_seq:
        scan = BacklogScan(work.admitted)
        scan.add(event for event in work.fresh if event.seq > work.admitted)
        return await _decide(admitting, lease, scan)
    async with plans.scanning:
        plan = await _decide(admitting, lease, await _scan(admitting.services, lease.key, work))
    plans.keep(lease, plan)
    return plan


async def _scan(services: Services, key: LaneKey, work: LaneWork) -> BacklogScan:
    scan = BacklogScan(work.admitted)
    while scan.plan.through < work.last_seq and not scan.is_full:
        after = scan.plan.through
        events = await services.store.read_installation(lambda tx: tx.coalescing.backlog(key, after, _PAGE))  # noqa: B023
        if not events:
            break
        scan.add(events)
    return scan


async def _decide(admitting: Admitting, lease: LaneLease, scan: BacklogScan) -> BacklogPlan:
    """Decide what survives, and store the previous levels of the survivors.

    They are stored before the first event is superseded. So a worker that continues after a crash finds the level that
    the receiver knows in the survivor.
    """
    runs = scan.runs()
    knowledge = await _knowledge(admitting.services, lease.key, scan.plan.start, runs)
    for changed in _parts(collapse(scan.plan, runs, knowledge)):
        await admitting.services.store.write_installation(
            lambda tx: tx.coalescing.store_known_levels(lease, changed, admitting.extend)  # noqa: B023
        )
    return scan.plan


async def _knowledge(services: Services, key: LaneKey, through: int, runs: Sequence[Run]) -> dict[str, Knowledge]:
    asked = [(run.last.subject_key, run.base) for run in runs if run.returns and not run.follows_other]
    found: dict[str, Knowledge] = {}
    for start in range(0, len(asked), _ROWS):
        part = asked[start : start + _ROWS]
        found |= await services.store.read_installation(lambda tx: tx.coalescing.knowledge(key, through, part))  # noqa: B023
    return found


def _parts(changed: Sequence[KnownLevel]) -> Iterator[Sequence[KnownLevel]]:
    for start in range(0, len(changed), _ROWS):
        yield changed[start : start + _ROWS]
