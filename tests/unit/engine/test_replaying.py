"""A replay runs as fast as delivery does: the worker that settles a batch puts the next events back at once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.replays import continue_replays, start_replay
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.delivery.replays import MAX_BESIDE_NEW, Replay, ReplayFilter
from riskrelay.core.jobs import JobStatus
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Services, Store
from support.delivering import ACCEPTED, World, world_of
from support.services import HandClock
from support.working import BatchSizes, running, until
from support.world import ACCOUNT, finding, record

LONG = timedelta(hours=1)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
EVENTS = 5 * BATCH_EVENTS // 2 + 7


@pytest.fixture
async def world(store: Store) -> World:
    return await world_of(store, HandClock())


async def start(world: World, services: Services, state: DeliveryState) -> Replay:
    """Start a replay of everything in *state*. No sweep helps it, neither now nor later."""
    integration_id = world.integration.integration_id
    wanted = ReplayFilter(
        state=state, reason=None, queued_from=None, queued_to=world.clock.now() + timedelta(seconds=1)
    )
    count, _ = await services.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, wanted, 0))
    return await start_replay(services, ACCOUNT, COMMAND_LINE, integration_id, wanted, count)


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
async def test_a_replay_needs_no_sweep(world: World, state: DeliveryState) -> None:
    """The request takes the first step; then each batch that is settled brings the next, to the end."""
    world.receiver.answers = lambda email: ACCEPTED if state is DeliveryState.DELIVERED else REFUSED
    async with running(world, LONG) as (_, services):
        await record(services, *(finding(f"u{number}@example.com") for number in range(EVENTS)))
        await until(lambda: world.receiver.pushes == EVENTS)
        while getattr(await world.ledger(), state.value) < EVENTS:
            pass
        world.receiver.answers = lambda email: ACCEPTED
        replay = await start(world, services, state)
        await until(lambda: world.receiver.pushes == 2 * EVENTS)
    await continue_replays(world.services)
    found = await world.services.store.read(
        ACCOUNT, lambda tx: tx.replays.get(world.integration.integration_id, replay.replay_id)
    )
    assert found is not None
    assert (found.status, found.replayed) == (JobStatus.COMPLETED, EVENTS)
    assert (await world.ledger()).delivered == EVENTS


async def deliver_all(world: World) -> None:
    """Queue EVENTS events, and deliver them."""
    async with running(world, LONG) as (_, services):
        await record(services, *(finding(f"u{number}@example.com") for number in range(EVENTS)))
        await until(lambda: world.receiver.pushes == EVENTS)
        while (await world.ledger()).delivered < EVENTS:
            pass


async def batches_of(world: World, events: int) -> list[int]:
    """Let a worker deliver until it has tried so many events.

    Returns: how many events each of its batches tried.
    """
    sizes = BatchSizes()
    world.services = replace(world.services, observer=sizes)
    async with running(world, timedelta(0)):
        await until(lambda: sum(sizes.seen) >= events)
    return sizes.seen


async def test_the_batches_of_a_replay_are_full(world: World) -> None:
    """Each batch is as large as one of new events, as long as there are no new events."""
    await deliver_all(world)
    await start(world, world.services, DeliveryState.DELIVERED)
    assert await batches_of(world, EVENTS) == [BATCH_EVENTS, BATCH_EVENTS, EVENTS - 2 * BATCH_EVENTS]


async def test_a_replay_takes_as_many_transactions_as_delivery(sqlite_store: Store) -> None:
    """The transaction that settles a batch puts the next events back. The others claim and release the lane."""
    world = await world_of(sqlite_store, HandClock())
    await deliver_all(world)
    await start(world, world.services, DeliveryState.DELIVERED)
    before = sqlite_store.load().transactions
    batches = await batches_of(world, EVENTS)
    assert sqlite_store.load().transactions - before <= len(batches) + 2


async def test_new_events_keep_half_of_each_batch(world: World) -> None:
    """They wait for the one batch that the replay filled before they were queued; then half of each batch is theirs."""
    await deliver_all(world)
    await start(world, world.services, DeliveryState.DELIVERED)
    await record(world.services, *(finding(f"new{number}@example.com") for number in range(BATCH_EVENTS)))
    await batches_of(world, EVENTS + BATCH_EVENTS)
    sent = [email.startswith("new") for email, _ in world.receiver.accepted[EVENTS:]]
    new_in = [sum(sent[start : start + BATCH_EVENTS]) for start in range(0, len(sent), BATCH_EVENTS)]
    assert new_in[:3] == [0, BATCH_EVENTS - MAX_BESIDE_NEW, BATCH_EVENTS - MAX_BESIDE_NEW]


async def test_a_paused_replay_is_not_continued_by_the_worker(world: World) -> None:
    """What was put back goes out; nothing more is put back."""
    await deliver_all(world)
    replay = await start(world, world.services, DeliveryState.DELIVERED)
    put_back = (await world.ledger()).pending
    await world.services.store.write(ACCOUNT, lambda tx: tx.replays.set_status(replay.replay_id, JobStatus.PAUSED))
    async with running(world, timedelta(0)):
        await until(lambda: world.receiver.pushes == EVENTS + put_back)
    assert (await world.ledger()).pending == 0
    assert world.receiver.pushes == EVENTS + put_back < 2 * EVENTS
