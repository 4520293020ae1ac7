"""New events are handed to the worker that holds their lane, and equal what a read of the lane returns."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from riskrelay.actions.integrations import update_integration
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.verification import verify_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.handover import Handover, Rest, WokenLane
from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, LaneLease, LaneWork
from riskrelay.engine.held_lane import HeldLane
from riskrelay.ports import Store
from support.delivering import ACCEPTED, FAILED, LEASE, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record


class Holder:
    """The owner of a lane, to which new events are handed over."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lane = HeldLane()
        self.handed: list[Handover] = []
        self.rest: Rest | None = None
        self.lease: LaneLease | None = None
        self.compared = 0
        world.services = replace(world.services, wake=self._wake)

    def _wake(self, lanes: Sequence[WokenLane]) -> None:
        for woken in lanes:
            self.lane.wake(woken, 0.0)
            if isinstance(woken, Handover):
                self.handed.append(woken)

    async def hold(self) -> None:
        """Claim the lane, which has work, even if it is held."""
        await self.world.services.store.write_installation(lambda tx: tx.lanes.release_all())
        (self.lease,) = await self.world.services.store.write_installation(lambda tx: tx.lanes.claim(5, LEASE))
        self.lane = HeldLane()

    async def deliver(self) -> None:
        """Compare what was handed over with a read of the lane, and deliver a batch."""
        if self.lease is None:
            return
        taken = self.lane.take(0.0)
        self.handed.clear()
        if taken is not None:
            self.compared += 1
            assert replace(taken[0], fresh=list(taken[0].fresh), held=[]) == await self.read()
        delivered = await self.world.deliver(self.lease)
        self.rest = delivered.rest
        self.lane.settled(delivered.rest)
        if delivered.given_back:
            self.lease = None

    async def read(self) -> LaneWork:
        assert self.lease is not None
        lease, retention = self.lease, self.world.delivering.retention
        return await self.world.services.store.read_installation(
            lambda tx: tx.lanes.read(lease, MAX_READ_EVENTS, retention)
        )


@pytest.fixture
async def holder(store: Store) -> Holder:
    holder = Holder(await world_of(store, HandClock()))
    await record(holder.world.services, finding("first@example.com"))
    await holder.hold()
    await holder.deliver()
    return holder


async def test_events_queued_on_a_held_lane_are_handed_over(holder: Holder) -> None:
    """Two requests hand over their events, and the worker takes both as one batch."""
    for number in range(2):
        await record(holder.world.services, finding(f"u{number}@example.com"))
    taken = holder.lane.take(0.0)
    assert taken is not None
    work = taken[0]
    assert (work.cursor, [event.seq for event in work.fresh], work.last_seq) == (1, [2, 3], 3)
    assert replace(work, fresh=list(work.fresh), held=[]) == await holder.read()


async def test_a_test_event_is_read(holder: Holder) -> None:
    """Its stream is not locked, so it can be older than an edit that the transaction waited for."""
    integration_id = holder.world.integration.integration_id
    await verify_integration(holder.world.services, ACCOUNT, COMMAND_LINE, integration_id, None)
    assert (holder.handed, holder.lane.take(0.0)) == ([], None)
    assert len((await holder.read()).fresh) == 1


async def test_events_of_a_lane_without_a_lease_are_not_handed_over(holder: Holder) -> None:
    """A worker claims and reads such a lane."""
    await holder.world.services.store.write_installation(lambda tx: tx.lanes.release_all())
    await record(holder.world.services, finding("other@example.com"))
    assert not holder.handed


async def test_a_large_request_is_not_handed_over(holder: Holder) -> None:
    """A worker keeps few events in memory, and reads the others."""
    await record(holder.world.services, *[finding(f"u{number}@example.com") for number in range(MAX_READ_EVENTS + 1)])
    assert holder.lane.take(0.0) is None


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_handed_over_equals_what_a_read_returns(holder: Holder, seed: int) -> None:
    """Whatever happens to the lane and its stream, handed events equal those of a read, or they are not used."""
    world, random, users = holder.world, Random(seed), 0
    integration_id = world.integration.integration_id

    async def queue() -> None:
        nonlocal users
        users += 1
        await record(world.services, finding(f"user{users}@example.com"))

    async def resume() -> None:
        """End all waits."""
        await resume_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id)
        await queue()
        await holder.hold()

    async def fail() -> None:
        world.receiver.answers = lambda email: FAILED if random.random() < 0.5 else ACCEPTED
        await holder.deliver()
        world.receiver.answers = lambda email: ACCEPTED
        if holder.lease is None:
            await resume()

    async def edit() -> None:
        url = f"https://new-{users}.example.com"
        await update_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, url, None, None)

    async def pause() -> None:
        await pause_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, None)
        await queue()
        assert holder.lane.take(0.0) is None
        await resume()

    steps: list[Callable[[], Awaitable[object]]] = [*6 * [queue], *6 * [holder.deliver], fail, edit, pause]
    for _ in range(50):
        await random.choice(steps)()
    assert holder.compared > 3


async def test_a_worker_reads_after_any_other_wake_and_after_a_while(holder: Holder) -> None:
    """A wake without events may mean a replay; a handover that waited may be of a stream that was disabled since."""
    await record(holder.world.services, finding("new@example.com"))
    (new,) = holder.handed
    lane = HeldLane()
    lane.settled(holder.rest)
    lane.wake(new, 10.0)
    taken = lane.take(10.2)
    assert taken is not None
    assert ([event.seq for event in taken[0].fresh], taken[1]) == ([2], 10.0)
    assert lane.take(10.2) is None  # taken once
    lane.wake(new, 11.0)
    assert lane.take(11.3) is None  # too late
    lane.wake(new, 11.5)
    lane.wake(new, 11.8)  # the first one is too late: nothing is kept until a slow receiver has answered
    assert lane.take(11.8) is None
    lane.wake(new, 12.0)
    lane.wake(new.key, 12.0)
    assert lane.take(12.0) is None  # something else happened
    lane.settled(None)
    lane.wake(new, 13.0)
    assert lane.take(13.0) is None  # the last batch left something
