"""A replay runs as fast as delivery does: the worker that settles a batch puts the next events back at once."""

from datetime import timedelta

import pytest

from riskrelay.actions.continue_replays import continue_replays
from riskrelay.actions.start_replay import start_replay
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.replays import MAX_WAITING, Replay, ReplayFilter, ReplayStatus
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Outside, Store
from support.delivering import ACCEPTED, World, world_of
from support.outside import HandClock
from support.working import running, until
from support.world import ACCOUNT, finding, record

LONG = timedelta(hours=1)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
EVENTS = 5 * MAX_WAITING + 7


@pytest.fixture
async def world(store: Store) -> World:
    return await world_of(store, HandClock())


async def start(world: World, outside: Outside, state: DeliveryState) -> Replay:
    """Start a replay of everything in *state*, and let it begin; from here on no sweep helps."""
    integration_id = world.integration.integration_id
    wanted = ReplayFilter(
        state=state, reason=None, queued_from=None, queued_to=world.clock.now() + timedelta(seconds=1)
    )
    count, _ = await outside.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, wanted, 0))
    replay = await start_replay(outside, ACCOUNT, COMMAND_LINE, integration_id, wanted, count)
    await continue_replays(outside)
    return replay


@pytest.mark.parametrize("state", [DeliveryState.DELIVERED, DeliveryState.DEAD])
async def test_a_replay_needs_no_sweep_between_its_steps(world: World, state: DeliveryState) -> None:
    """One sweep starts it; then each batch that is settled brings the next, to the end."""
    world.receiver.answers = lambda email: ACCEPTED if state is DeliveryState.DELIVERED else REFUSED
    async with running(world, LONG) as (_, outside):
        await record(outside, *(finding(f"u{number}@example.com") for number in range(EVENTS)))
        await until(lambda: world.receiver.pushes == EVENTS)
        while getattr(await world.ledger(), state.value) < EVENTS:
            pass
        world.receiver.answers = lambda email: ACCEPTED
        replay = await start(world, outside, state)
        await until(lambda: world.receiver.pushes == 2 * EVENTS)
    await continue_replays(world.outside)
    found = await world.outside.store.read(
        ACCOUNT, lambda tx: tx.replays.get(world.integration.integration_id, replay.replay_id)
    )
    assert found is not None
    assert (found.status, found.replayed) == (ReplayStatus.COMPLETED, EVENTS)
    assert (await world.ledger()).delivered == EVENTS


async def test_what_is_new_is_not_kept_waiting_by_a_replay(world: World) -> None:
    """At most half a batch waits of a replay at any moment, so a new event is in the next batch."""
    async with running(world, LONG) as (_, outside):
        await record(outside, *(finding(f"u{number}@example.com") for number in range(EVENTS)))
        await until(lambda: world.receiver.pushes == EVENTS)
        while (await world.ledger()).delivered < EVENTS:
            pass
        waiting: list[int] = []
        await start(world, outside, DeliveryState.DELIVERED)
        while world.receiver.pushes < 2 * EVENTS:
            waiting.append((await world.ledger()).pending)
            if len(waiting) == 1:
                await record(outside, finding("new@example.com"))
    assert max(waiting) <= MAX_WAITING + 1
    place = [email for email, _ in world.receiver.accepted].index("new@example.com") - EVENTS
    assert place <= 3 * MAX_WAITING


async def test_a_paused_replay_is_not_continued_by_the_worker(world: World) -> None:
    """What was put back goes out; nothing more is put back."""
    async with running(world, LONG) as (_, outside):
        await record(outside, *(finding(f"u{number}@example.com") for number in range(EVENTS)))
        await until(lambda: world.receiver.pushes == EVENTS)
        while (await world.ledger()).delivered < EVENTS:
            pass
    replay = await start(world, world.outside, DeliveryState.DELIVERED)
    put_back = (await world.ledger()).pending
    await world.outside.store.write(ACCOUNT, lambda tx: tx.replays.set_status(replay.replay_id, ReplayStatus.PAUSED))
    async with running(world, timedelta(0)):
        await until(lambda: world.receiver.pushes == EVENTS + put_back)
    assert (await world.ledger()).pending == 0
    assert world.receiver.pushes == EVENTS + put_back < 2 * EVENTS
