"""The clock jumps by an hour, this machine's or the database's, forwards or back (row 22)."""

from datetime import timedelta

import pytest

from riskrelay.ports import Store
from support.database_time import pass_time
from support.delivering import FAILED, World, world_of
from support.services import HandClock
from support.world import finding, record

HOUR = timedelta(hours=1)


class WallClock(HandClock):
    """A clock whose hands can be moved while its seconds go on."""

    def jump(self, by: timedelta) -> None:
        self._now += by


@pytest.fixture
async def clock() -> WallClock:
    return WallClock()


@pytest.fixture
async def world(store: Store, clock: WallClock) -> World:
    return await world_of(store, clock)


@pytest.mark.fault(22, long=True)
@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_this_machines_clock_moves_nothing(world: World, clock: WallClock, by: timedelta) -> None:
    """A batch continues when this machine's clock jumps: leases use the database's clock and a monotonic clock."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(20)])
    lease = await world.claim()
    world.receiver.before_answer = lambda: clock.jump(by / 20)
    delivered = await world.deliver(lease)
    assert len(delivered.attempts) == 20
    assert all(timedelta(0) <= attempt.duration < timedelta(seconds=1) for attempt in delivered.attempts)
    assert (await world.ledger()).delivered == 20
    await record(world.services, finding("later@example.com"))
    await world.deliver(lease)
    assert (await world.ledger()).pending == 0
    await world.check()


@pytest.mark.fault(22, long=True)
@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_the_databases_clock_lets_healthy_lanes_go_on(world: World, by: timedelta) -> None:
    """New events are due and delivered at once after a jump of the clock in either direction."""
    await record(world.services, finding("before@example.com"))
    await world.deliver_once(10)
    await pass_time(world.services.store, by)
    await record(world.services, finding("after@example.com"))
    await world.deliver_once(10)
    assert (await world.ledger()).pending == 0
    await world.check()


@pytest.mark.fault(22, long=True)
@pytest.mark.parametrize("by", [HOUR, -HOUR])
async def test_the_databases_clock_brings_no_stampede(world: World, by: timedelta) -> None:
    """A dead receiver gets one probe after the jump and not one for each wait that it skipped; it waits no longer than
    its wait and the jump."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(50)])
    world.receiver.answers = lambda email: FAILED
    await world.deliver_once(10)
    before = world.receiver.pushes
    await pass_time(world.services.store, by)
    due_in = (await world.services.store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert due_in is not None
    assert due_in <= max(timedelta(0), -by) + timedelta(minutes=1)
    await pass_time(world.services.store, due_in)
    await world.deliver_once(1)
    assert world.receiver.pushes == before + 1
    again = (await world.services.store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert again is not None
    assert again > timedelta(0)
    await world.check()
