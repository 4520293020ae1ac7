"""What monitoring learns of an installation. The same on both engines."""

from datetime import timedelta

from riskrelay.actions.complete_signing_keys import complete_signing_keys
from riskrelay.actions.pause_integration import pause_integration
from riskrelay.credentials import COMMAND_LINE
from riskrelay.delivery.lanes import BATCH_EVENTS
from riskrelay.delivery.survey import LaneCondition, Survey
from riskrelay.keys import Algorithm
from riskrelay.outbound.clock import SystemClock
from riskrelay.outbound.signer import new_signing_key
from riskrelay.ports import Outside, Store
from support.delivering import FAILED, VAULT, world_of
from support.outside import HandClock
from support.world import ACCOUNT, finding, record


async def survey_of(outside: Outside) -> Survey:
    return await outside.store.read_installation(lambda tx: tx.survey())


def conditions(survey: Survey) -> dict[str, int]:
    return {condition.value: count for condition, count in survey.lanes.items() if count}


async def test_each_lane_is_in_one_condition(store: Store) -> None:
    """A lane is idle, waits, is worked on, is left alone because its receiver failed, stops when it is paused."""
    world = await world_of(store, HandClock())
    assert conditions(await survey_of(world.outside)) == {"idle": 1}
    await record(world.outside, finding())
    assert conditions(await survey_of(world.outside)) == {"waiting": 1}
    lease = await world.claim()
    assert conditions(await survey_of(world.outside)) == {"leased": 1}
    world.receiver.answers = lambda email: FAILED
    await world.deliver(lease, BATCH_EVENTS)
    await store.write_installation(lambda tx: tx.lanes.release(lease))
    failing = await survey_of(world.outside)
    assert conditions(failing) == {LaneCondition.OPEN.value: 1}
    assert failing.streams == {"enabled": 1}
    await pause_integration(world.outside, ACCOUNT, COMMAND_LINE, world.integration.integration_id, None)
    paused = await survey_of(world.outside)
    assert conditions(paused) == {"stopped": 1}
    assert paused.streams == {"paused": 1}


async def test_a_survey_holds_the_ledger_the_keys_and_the_size(store: Store) -> None:
    """What waits on a paused stream counts as undelivered too; the current keys have an age, the next ones none."""
    world = await world_of(store, HandClock())
    await pause_integration(world.outside, ACCOUNT, COMMAND_LINE, world.integration.integration_id, None)
    await record(world.outside, finding())
    clock = SystemClock()
    await complete_signing_keys(
        world.outside, COMMAND_LINE, lambda algorithm: new_signing_key(algorithm, VAULT, clock.now())
    )
    survey = await survey_of(world.outside)
    (ledger,) = survey.ledgers
    assert (ledger.queued, ledger.pending, ledger.imbalance) == (1, 1, 0)
    assert ledger.oldest_pending is not None
    assert ledger.oldest_pending > timedelta(days=1)  # the hand clock's noon is long past for the database
    assert set(survey.key_ages) == set(Algorithm)
    assert survey.database_bytes > 100_000
