"""The database's clock is put back by an hour, or 20 days ahead and back: no wait is longer than it may be, nothing
expires, and a resume works (faults.md row 44). On both engines."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from riskrelay.actions.idle_streams import pause_idle_streams
from riskrelay.actions.pauses import resume_integration
from riskrelay.actions.upkeep import expire_events, purge_events
from riskrelay.actions.watch_clock import ClockWatch
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.clock import LONGEST_WAIT
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.local.clock import SystemClock
from riskrelay.ports import Installation, Store
from support.database_time import pass_time
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

HOUR = timedelta(hours=1)
DAYS = timedelta(days=20)
WEEK = timedelta(days=7)
THROTTLED = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(hours=3))


class Site:
    """A world whose database's clock can be moved, and what watches that clock.

    The clock itself stands nearly still during a test: what was read of it and stored becomes older instead.
    """

    def __init__(self, world: World, clock: HandClock) -> None:
        self.world, self.clock = world, clock
        self.watch = ClockWatch(world.services)
        self.watches = [self.watch]

    async def pass_time(self, duration: timedelta) -> None:
        """Let real time pass: every clock goes on."""
        await self.move(duration)
        self.clock._seconds += duration.total_seconds()

    async def move(self, by: timedelta) -> None:
        """Let the database's clock jump, and no time pass."""
        await pass_time(self.world.services.store, by)
        for watch in self.watches:
            if watch._before is not None:
                watch._before = replace(watch._before, now=watch._before.now - by)

    async def jump(self, by: timedelta) -> timedelta:
        """Let the database's clock jump. Returns: what the watch finds."""
        await self.move(by)
        return await self.watch.check()

    async def due_in(self) -> timedelta:
        due = await self.world.services.store.read_installation(lambda tx: tx.lanes.next_due())
        assert due.due_in is not None
        return due.due_in


@pytest.fixture
async def site(store: Store) -> Site:
    clock = HandClock(SystemClock().now())  # events are queued today, by which their age is judged
    site = Site(await world_of(store, clock), clock)
    assert await site.watch.check() == timedelta(0)
    return site


def close(found: timedelta, wanted: timedelta) -> bool:
    """To a few seconds: the database's clock goes on while a test runs."""
    return abs(found - wanted) < timedelta(seconds=20)


async def fail(site: Site, outcome: Outcome, times: int) -> timedelta:
    """Let attempts fail one after the other. Returns: how long the lane waits then."""
    site.world.receiver.answers = lambda email: outcome
    await record(site.world.services, finding())
    for _ in range(times):
        await site.pass_time(await site.due_in())
        await site.world.deliver_once(1)
    return await site.due_in()


@pytest.mark.fault(44)
@pytest.mark.parametrize(("outcome", "times"), [(FAILED, 1), (FAILED, 11), (THROTTLED, 1)])
async def test_a_clock_that_is_set_back_lengthens_no_wait(site: Site, outcome: Outcome, times: int) -> None:
    """The next attempt, the breaker's probe and a Retry-After end when they should have."""
    waits = await fail(site, outcome, times)
    found = await site.jump(-HOUR)
    assert close(found, -HOUR)
    assert await site.due_in() <= waits + timedelta(seconds=20)
    await site.pass_time(waits + timedelta(seconds=20))
    site.world.receiver.answers = lambda email: ACCEPTED
    await site.world.deliver_once(1)
    assert (await site.world.ledger()).delivered == 1
    await site.world.check()


@pytest.mark.fault(44)
async def test_a_resume_works_after_the_clock_went_back(site: Site) -> None:
    """Also before the step was found: a lane that was given back is free at any time of any clock."""
    await fail(site, FAILED, 6)
    await site.move(-HOUR)
    await resume_integration(site.world.services, ACCOUNT, COMMAND_LINE, site.world.integration.integration_id)
    site.world.receiver.answers = lambda email: ACCEPTED
    await site.world.deliver_once(1)
    assert (await site.world.ledger()).delivered == 1
    await site.world.check()


@pytest.mark.fault(44)
async def test_a_lane_that_is_worked_on_over_a_step_is_free_when_it_is_given_back(site: Site) -> None:
    """Its lease is from before the step; a node that died over it keeps the lane no longer than a lease."""
    await record(site.world.services, finding())
    await site.world.claim()
    await site.jump(-DAYS)
    await site.pass_time(timedelta(minutes=10))
    await site.world.deliver_once(1)
    assert (await site.world.ledger()).delivered == 1
    await site.world.check()


@pytest.mark.fault(44)
async def test_20_days_ahead_and_back_let_nothing_expire_and_nothing_wait(site: Site) -> None:
    """While the clock is ahead, before and after the step is found, and when it is right again."""
    waits = await fail(site, FAILED, 6)
    await record(site.world.services, *(finding(f"u{number}@example.com") for number in range(10)))
    await site.move(DAYS)
    assert await expire_events(site.world.services, WEEK) == 0
    assert close(await site.watch.check(), DAYS)
    assert await expire_events(site.world.services, WEEK) == 0
    assert await purge_events(site.world.services, WEEK) == 0
    assert await pause_idle_streams(site.world.services, WEEK) == 0
    await record(site.world.services, finding("ahead@example.com"))
    await site.world.deliver_once(1)
    assert close(await site.jump(-DAYS), -DAYS)
    assert await expire_events(site.world.services, WEEK) == 0
    assert await site.due_in() <= 2 * max(waits, timedelta(minutes=2))
    await resume_integration(site.world.services, ACCOUNT, COMMAND_LINE, site.world.integration.integration_id)
    site.world.receiver.answers = lambda email: ACCEPTED
    for limit in (1, 256):
        await site.world.deliver_once(limit)
    assert ((await site.world.ledger()).delivered, (await site.world.ledger()).expired) == (12, 0)
    await site.world.check()


@pytest.mark.fault(44)
async def test_a_worker_expires_nothing_by_an_unchecked_clock(site: Site) -> None:
    """It reads the lane right after the jump: what waits is pushed."""
    await record(site.world.services, finding())
    await site.move(DAYS)
    site.world.delivering = replace(site.world.delivering, retention=WEEK)
    await site.world.deliver_once(1)
    assert ((await site.world.ledger()).delivered, (await site.world.ledger()).expired) == (1, 0)
    await site.world.check()


async def test_old_events_expire_by_a_steady_clock(site: Site) -> None:
    """The watch keeps nothing: after its week, looked at each hour, an event is too old."""
    await record(site.world.services, finding())
    for hours in range(7 * 24 + 1):
        await site.pass_time(HOUR / 12)
        if hours % 24 == 0:
            await site.watch.check()
    assert await expire_events(site.world.services, timedelta(hours=13)) == 1


async def test_unobserved_time_expires_nothing(site: Site) -> None:
    """The service was down for a week, or the clock jumped by one meanwhile: nobody can tell, so what waits is kept for
    as long as it had left."""
    await record(site.world.services, finding())
    await site.pass_time(WEEK)
    assert close(await ClockWatch(site.world.services).check(), WEEK)
    assert await expire_events(site.world.services, WEEK) == 0


async def test_a_step_that_several_processes_see_is_recorded_once(site: Site) -> None:
    """Each compares with its own seconds; the waits are made shorter by one hour and not by two."""
    other = ClockWatch(site.world.services)
    site.watches.append(other)
    await other.check()
    waits = await fail(site, THROTTLED, 1)
    assert close(await site.jump(-HOUR), -HOUR)
    assert await other.check() == timedelta(0)
    assert close(await site.due_in(), waits)


async def test_a_wait_that_no_step_explains_is_bounded(site: Site) -> None:
    """The clock was wrong while nobody watched it: at the next start a wait of 19 days is over."""
    await fail(site, THROTTLED, 1)
    store = site.world.services.store
    await pass_time(store, -DAYS)
    await store.write_installation(lambda tx: tx.lanes.release_all())
    await ClockWatch(site.world.services).check()
    assert await site.due_in() <= LONGEST_WAIT


async def test_a_database_that_answers_slowly_is_no_step(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits eight seconds before it reads its clock, and then answers quickly again."""
    store = site.world.services.store
    read = store.read_installation

    async def slow(work: Callable[[Installation], Any]) -> Any:
        await site.pass_time(timedelta(seconds=8))
        return await read(work)

    await site.pass_time(timedelta(seconds=1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "read_installation", slow)
        assert await site.watch.check() == timedelta(0)
    await site.pass_time(timedelta(seconds=1))
    assert await site.watch.check() == timedelta(0)
