"""Outcomes that the store refuses are kept and written later; meanwhile nothing new is pushed (faults.md row 43)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.engine import settling
from riskrelay.engine.deliver import settle_batch
from riskrelay.engine.worker import Worker
from riskrelay.ports import Installation, Store
from support.delivering import World, world_of
from support.services import HandClock
from support.working import running, until
from support.world import account_with_integration, finding, record

LONG = timedelta(hours=1)
TRIES = 20  # refused writes after which a test says that nothing more is pushed


class RefusingStore:
    """A real store whose installation writes are refused while `refuses` holds.

    Attributes:
        loses_answers: a write is refused after it was committed.
        refused: how many were.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refuses = self.loses_answers = False
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __str__(self) -> str:
        return str(self._store)

    async def write_installation(self, work: Callable[[Installation], Any]) -> Any:
        if self.refuses and not self.loses_answers:
            self.refused += 1
            raise Unavailable("the disk is full")
        result = await self._store.write_installation(work)
        if self.refuses:
            self.refused += 1
            raise Unavailable("the commit was not answered")
        return result


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "_AFTER_REFUSAL", timedelta(milliseconds=2))
    monkeypatch.setattr(settling, "local_wait", lambda failures, jitter: timedelta(milliseconds=4))


@pytest.fixture
async def refusing(store: Store) -> RefusingStore:
    return RefusingStore(store)


@pytest.fixture
async def world(refusing: RefusingStore) -> World:
    world = await world_of(cast(Store, refusing), HandClock())
    world.receiver.before_answer = lambda: setattr(refusing, "refuses", True)
    return world


@asynccontextmanager
async def running_refused(world: World) -> AsyncIterator[Worker]:
    """A worker that finds events at its start, and whose store refuses from the first push on."""
    worker = Worker(world.services, world.delivering, LONG)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


def times_sent(world: World) -> Counter[str]:
    """How often the receiver got each SET, by its jti."""
    return Counter(received.claims["jti"] for received in world.receiver.seen)


async def until_delivered(world: World, count: int) -> None:
    async with asyncio.timeout(60):
        while (await world.ledger()).delivered < count:
            await asyncio.sleep(0.005)


@pytest.mark.fault(43)
async def test_a_refused_settlement_is_written_later_and_nothing_is_pushed_again(
    world: World, refusing: RefusingStore
) -> None:
    """The batch in flight is pushed once, its outcomes are kept through many refusals, and are written when the store
    takes them; only then does the next batch go out."""
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(300)))
    async with running_refused(world) as worker:
        await until(lambda: refusing.refused > TRIES)
        assert (world.receiver.pushes, worker.unsettled_batches) == (256, 1)
        world.receiver.before_answer = lambda: None
        refusing.refuses = False
        await until_delivered(world, 300)
        assert worker.unsettled_batches == 0
    assert max(times_sent(world).values()) == 1
    await world.check(at_most_copies=0)


@pytest.mark.fault(43)
async def test_other_lanes_push_nothing_new_until_a_write_has_worked(world: World, refusing: RefusingStore) -> None:
    """Each lane that was at work ends its batch; none begins another, not even one that had nothing to settle."""
    accounts = [AccountId(f"account-{number}") for number in range(5)]
    for account in accounts:
        await account_with_integration(world.services, account, f"https://{account}.example.com")
    world.clock.run()
    async with running(world, LONG) as (worker, services):
        await record(services, finding())
        await until(lambda: refusing.refused > 1)
        pushed = world.receiver.pushes
        for account in accounts:
            await record(services, *(finding(f"u{n}@example.com") for n in range(20)), account_id=account)
        refused = refusing.refused
        await until(lambda: refusing.refused > refused + TRIES)
        assert world.receiver.pushes == pushed
        world.receiver.before_answer = lambda: None
        refusing.refuses = False
        await until(lambda: world.receiver.pushes == 101)
        await until(lambda: worker.unsettled_batches == 0)
    assert max(times_sent(world).values()) == 1


@pytest.mark.fault(43)
async def test_an_outcome_whose_commit_was_not_answered_is_written_once(world: World, refusing: RefusingStore) -> None:
    """The retry finds what was committed, so nothing is counted or pushed twice."""
    refusing.loses_answers = True
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(10)))
    async with running_refused(world) as worker:
        await until(lambda: refusing.refused > 3)
        world.receiver.before_answer = lambda: None
        refusing.refuses = False
        await until_delivered(world, 10)
        await until(lambda: worker.unsettled_batches == 0)
    assert max(times_sent(world).values()) == 1
    assert (await world.ledger()).delivered == 10
    await world.check(at_most_copies=0)


@pytest.mark.fault(43)
async def test_outcomes_kept_beyond_the_lease_are_fenced_by_the_epoch(
    world: World, refusing: RefusingStore, store: Store
) -> None:
    """Another node claims the lane when the lease has ended: it pushes the batch once more, and the kept outcomes are
    dropped, so nothing is counted twice."""
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(10)))
    async with running_refused(world) as worker:
        await until(lambda: refusing.refused > 1)
        await store.write_installation(lambda tx: tx.lanes.release_all())
        other = replace(world.services, store=store)
        mine = World(other, world.clock, world.integration)
        mine.receiver = world.receiver
        mine.delivering = replace(world.delivering, pusher=world.receiver)
        world.receiver.before_answer = lambda: None
        await mine.deliver_once(256)
        refusing.refuses = False
        await until(lambda: worker.unsettled_batches == 0)
    assert set(times_sent(world).values()) == {2}
    assert (await world.ledger()).delivered == 10
    await world.check(at_most_copies=10)


@pytest.mark.fault(43)
async def test_this_process_does_not_claim_a_lane_whose_outcomes_it_keeps(
    world: World, refusing: RefusingStore, store: Store
) -> None:
    """The refusals last longer than the lease: when the store writes again, the lane is due and free, and yet the kept
    outcomes are written first."""
    world.delivering = replace(world.delivering, lease=timedelta(milliseconds=1))
    await record(world.services, *(finding(f"u{number}@example.com") for number in range(10)))
    async with running_refused(world) as worker:
        await until(lambda: refusing.refused > 1)
        (key,) = worker._settling.unsettled
        kept = await store.write_installation(lambda tx: tx.lanes.claim(5, LONG, besides=[key]))
        named = await store.write_installation(lambda tx: tx.lanes.claim(5, LONG, [key], besides=[key]))
        assert (kept, named) == ([], [])
        world.receiver.before_answer = lambda: None
        refusing.refuses = False
        await until_delivered(world, 10)
    assert max(times_sent(world).values()) == 1
    await world.check(at_most_copies=0)


@pytest.mark.fault(43)
async def test_a_stop_does_not_wait_for_a_store_that_never_writes(world: World, refusing: RefusingStore) -> None:
    """A few more tries, then the outcomes are given up: that batch is pushed once more at the next start."""
    await record(world.services, finding())
    async with running_refused(world):
        await until(lambda: refusing.refused > 1)
    world.receiver.before_answer = lambda: None
    refusing.refuses = False
    await refusing.write_installation(lambda tx: tx.lanes.release_all())
    await world.deliver_once(1)
    assert set(times_sent(world).values()) == {2}
    await world.check(at_most_copies=1)


async def test_a_defect_in_settling_causes_no_other_push(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that is not the store's is logged and tried again like a refusal."""
    settle = settle_batch
    broken = iter([True, True])
    world.receiver.before_answer = lambda: None

    async def failing_twice(*args: Any, **kwargs: Any) -> Any:
        if next(broken, False):
            raise LookupError("a defect")
        return await settle(*args, **kwargs)

    monkeypatch.setattr(settling, "settle_batch", failing_twice)
    async with running(world, LONG) as (_, services):
        await record(services, finding())
        await until_delivered(world, 1)
    assert world.receiver.pushes == 1
    await world.check(at_most_copies=0)
