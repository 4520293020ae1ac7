"""A receiver that refuses its events is rejecting, wherever health is shown. The same on both engines."""

from collections.abc import Sequence

import pytest

from riskrelay.actions.pauses import resume_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.health import Condition, StreamHealth
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Store
from support.delivering import ACCEPTED, FAILED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)


@pytest.fixture
async def world(store: Store) -> World:
    return await world_of(store, HandClock())


async def answer(world: World, outcome: Outcome, users: Sequence[str]) -> None:
    """Let one event of each user be answered so."""
    world.receiver.answers = lambda email: outcome
    await record(world.services, *(finding(f"{user}@example.com") for user in users))
    await world.deliver_once(256)


async def seen(world: World) -> tuple[Condition, Condition, list[StreamHealth], int]:
    """The condition as its own health says and as a list does; what needs attention; what monitoring counts."""
    integration_id = world.integration.integration_id
    read = world.services.store.read
    (health,) = await read(ACCOUNT, lambda tx: tx.health.streams(integration_id))
    (glance,) = await read(ACCOUNT, lambda tx: tx.delivery_views.glances([integration_id]))
    needing_attention = await read(ACCOUNT, lambda tx: tx.health.needing_attention(10))
    survey = await world.services.store.read_installation(lambda tx: tx.survey())
    return health.condition, glance.condition, list(needing_attention), survey.rejecting


@pytest.mark.fault(45)
async def test_a_receiver_that_refuses_everything_is_rejecting_everywhere(world: World) -> None:
    """In its health, in lists, among what needs attention and in monitoring, with the share in words."""
    await answer(world, REFUSED, [f"u{number}" for number in range(30)])
    own, listed, needing_attention, counted = await seen(world)
    assert (own, listed, counted) == (Condition.REJECTING, Condition.REJECTING, 1)
    (found,) = needing_attention
    assert found.recent_answers == "r" * 20
    assert (await world.ledger()).dead == 30
    await world.check()


@pytest.mark.fault(45)
async def test_it_recovers_when_it_accepts_again(world: World) -> None:
    """After five accepted events in a row; the dead letters stay until they are replayed."""
    await answer(world, REFUSED, [f"u{number}" for number in range(30)])
    await answer(world, ACCEPTED, ["a", "b", "c", "d"])
    assert (await seen(world))[0] is Condition.REJECTING
    await answer(world, ACCEPTED, ["e"])
    assert await seen(world) == (Condition.HEALTHY, Condition.HEALTHY, [], 0)
    assert (await world.ledger()).dead == 30
    await world.check()


async def test_a_resume_ends_it_until_the_next_refusal(world: World) -> None:
    """An operator who has fixed the cause starts afresh."""
    await answer(world, REFUSED, ["a", "b", "c"])
    await resume_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id)
    assert await seen(world) == (Condition.HEALTHY, Condition.HEALTHY, [], 0)
    await answer(world, REFUSED, ["d"])
    assert (await seen(world))[0] is Condition.REJECTING


async def test_a_few_refusals_among_accepted_events_are_healthy(world: World) -> None:
    """A receiver that does not know some users."""
    world.receiver.answers = lambda email: REFUSED if email.startswith("unknown") else ACCEPTED
    users = [f"u{number}" for number in range(15)] + ["unknown-1", "unknown-2"]
    await record(world.services, *(finding(f"{user}@example.com") for user in users))
    await world.deliver_once(256)
    assert (await seen(world))[0] is Condition.HEALTHY


async def test_a_receiver_that_is_down_is_failing_whatever_it_answered_before(world: World) -> None:
    """What happens now goes before what happened."""
    await answer(world, REFUSED, ["a", "b", "c"])
    await answer(world, FAILED, ["d"])
    assert (await seen(world))[0] is Condition.FAILING
