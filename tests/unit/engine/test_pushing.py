"""Whether a push may still start when its SET is signed, over a real store, with a signer that is slow."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from riskrelay.actions.integrations import limit_integration
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.handover import Handover, WokenLane
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import DeliveryLimits
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.engine.pushing import SNAPSHOT
from riskrelay.engine.worker import Worker
from riskrelay.ports import Store
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.wiring.foresight import Foresight
from support.delivering import LEASE, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record


@pytest.fixture
async def world(sqlite_store: Store) -> World:
    return await world_of(sqlite_store, HandClock())


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.001)


@pytest.mark.fault(21, 34)
@pytest.mark.parametrize("signing_takes", [1.1 * SNAPSHOT, LEASE - timedelta(seconds=1)])
async def test_a_set_that_is_signed_too_late_is_not_pushed(world: World, signing_takes: timedelta) -> None:
    """Not when the stream was read a while ago, and not when the lease is nearly over. Nothing was tried then; the next
    batch pushes the same SET, so that a slow signer holds nothing up for ever."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(40)])

    async def take_time() -> None:
        world.clock.pass_time(signing_takes)

    world.signer.before_signing = take_time
    lease = await world.claim()
    late = await world.deliver(lease)
    assert (late.attempts, world.receiver.pushes) == ([], 0)
    assert late.settlement is not None
    assert (late.settlement.failures, late.settlement.due_in) == (0, timedelta(0))
    counted = await world.ledger()
    assert (counted.pending, counted.delivered) == (40, 0)
    delivered = await world.deliver(lease)
    assert [attempt.number for attempt in delivered.attempts] == [1] * 40
    assert world.signer.signed == 40
    await world.check()


@pytest.mark.fault(26)
async def test_a_set_signed_after_a_429_is_not_pushed(world: World) -> None:
    """The second list of SETs is being signed while the first gets its answers."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(32)])
    quiet = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(hours=1))
    world.receiver.answers = lambda email: quiet
    world.delivering = replace(world.delivering, concurrency=32)

    async def wait_for_answers() -> None:
        if world.signer.signed > 16:
            await until(lambda: len(world.receiver.seen) == 16)

    world.signer.before_signing = wait_for_answers
    delivered = await world.deliver(await world.claim())
    assert (len(delivered.attempts), world.receiver.pushes) == (16, 16)
    await world.check()


@pytest.mark.fault(34)
async def test_an_integration_paused_while_a_set_is_signed_gets_nothing(world: World) -> None:
    """A worker starts no push a second after the pause; after a resume it pushes what was kept."""
    signing, may_go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        signing.set()
        await may_go_on.wait()

    world.signer.before_signing = wait
    worker = Worker(world.services, world.delivering, timedelta(seconds=10))
    await record(world.services, finding())
    running = asyncio.create_task(worker.run())
    integration_id = world.integration.integration_id
    await until(signing.is_set)
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, integration_id, None)
    world.clock.pass_time(1.1 * SNAPSHOT)
    may_go_on.set()
    await until(lambda: worker.lanes_held == 0)
    assert world.receiver.pushes == 0
    woken = replace(world.services, wake=worker.wake)
    await resume_integration(woken, ACCOUNT, COMMAND_LINE, integration_id)
    await until(lambda: len(world.receiver.accepted) == 1)
    worker.stop()
    await running
    assert world.receiver.pushes == 1
    await world.check()


async def test_less_than_one_push_a_second_still_delivers(world: World) -> None:
    """Two lanes share one push a second: each push waits two seconds for its moment, and then starts, however long ago
    its stream was read."""
    await record(world.services, *[finding(f"u{n}@example.com") for n in range(3)])
    limits = DeliveryLimits(pushes_per_second=1)
    await limit_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, limits)
    await world.services.store.write_installation(
        lambda tx: cast(InstallationTransaction, tx)._connection.exec_driver_sql("UPDATE streams SET lanes = 2")
    )
    starts: list[float] = []
    world.receiver.before_answer = lambda: starts.append(world.clock.monotonic())
    lease = await world.claim()
    assert [len((await world.deliver(lease)).attempts) for _ in range(3)] == [1, 1, 1]
    assert starts == pytest.approx([2, 4, 6])


class Foretold:
    """A worker that holds an idle lane, and hears of each event before its commit."""

    def __init__(self, world: World) -> None:
        self.worker = Worker(world.services, world.delivering, timedelta(seconds=60))
        self.handed: list[Handover] = []
        self.fails = False
        foresight = Foresight()
        foresight.attach(self.worker)

        def foresee(lanes: Sequence[WokenLane]) -> None:
            self.handed += [one for one in lanes if isinstance(one, Handover)]
            foresight.foresee(lanes)
            if self.fails:
                raise Unavailable("the commit failed")

        self.services = replace(world.services, wake=self.worker.wake, foresee=foresee)

    @asynccontextmanager
    async def idle(self, world: World) -> AsyncIterator[None]:
        await record(world.services, finding("first@example.com"))
        running = asyncio.create_task(self.worker.run())
        await until(lambda: [held.idle_signing is not None for held in self.worker._held.values()] == [True])
        yield
        self.worker.stop()
        await running
        await world.check()


async def test_an_event_is_signed_before_its_commit_is_known_and_pushed_after_it(world: World) -> None:
    """An idle lane signs it, once. The push waits for the wake."""
    foretold = Foretold(world)
    async with foretold.idle(world):
        await record(replace(foretold.services, wake=lambda lanes: None), finding("second@example.com"))
        await until(lambda: world.signer.signed == 2)
        assert world.receiver.pushes == 1
        foretold.worker.wake(foretold.handed)
        await until(lambda: len(world.receiver.accepted) == 2)
    assert world.signer.signed == 2


async def test_the_set_of_an_event_whose_commit_failed_is_never_pushed(world: World) -> None:
    """The next event gets its seq, and a SET of its own."""
    foretold = Foretold(world)
    async with foretold.idle(world):
        foretold.fails = True
        with pytest.raises(Unavailable):
            await record(foretold.services, finding("lost@example.com"))
        await until(lambda: world.signer.signed == 2)
        foretold.fails = False
        await record(foretold.services, finding("second@example.com"))
        await until(lambda: len(world.receiver.accepted) == 2)
    lost, kept = foretold.handed
    assert [event.seq for event in lost.events] == [event.seq for event in kept.events]
    assert [email for email, _ in world.receiver.accepted] == ["first@example.com", "second@example.com"]


async def test_a_lane_at_work_is_not_told_of_events(world: World) -> None:
    """It signs its next events while it pushes others, and each SET is signed once."""
    foretold = Foretold(world)
    async with foretold.idle(world):
        (held,) = foretold.worker._held.values()
        held.idle_signing = None
        await record(replace(foretold.services, wake=lambda lanes: None), finding("second@example.com"))
        assert not any(map(foretold.worker.can_foresee, foretold.handed))
        foretold.worker.foresee(foretold.handed)
        foretold.worker.wake(foretold.handed)
        await until(lambda: len(world.receiver.accepted) == 2)
    assert world.signer.signed == 2
