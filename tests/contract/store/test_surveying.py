"""What monitoring learns of an installation. The same on both engines."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.pauses import pause_integration
from riskrelay.actions.signing_keys import complete_signing_keys
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.backoff import LONGEST
from riskrelay.core.delivery.lanes import BATCH_EVENTS
from riskrelay.core.delivery.survey import LaneCondition, Survey
from riskrelay.core.keys import Algorithm
from riskrelay.local.clock import SystemClock
from riskrelay.ports import Services, Store
from riskrelay.signing.signer import new_signing_key
from support.database_time import pass_time, pass_time_of_levels
from support.delivering import ACCEPTED, FAILED, VAULT, world_of
from support.services import HandClock, services_of
from support.world import ACCOUNT, account_with_integration, finding, record


async def survey_of(services: Services) -> Survey:
    return await services.store.read_installation(lambda tx: tx.survey())


def conditions(survey: Survey) -> dict[str, int]:
    return {condition.value: count for condition, count in survey.lanes.items() if count}


async def test_each_lane_is_in_one_condition(store: Store) -> None:
    """A lane is idle, waits, is worked on, is left alone because its receiver failed, stops when it is paused."""
    world = await world_of(store, HandClock())
    assert conditions(await survey_of(world.services)) == {"idle": 1}
    await record(world.services, finding())
    assert conditions(await survey_of(world.services)) == {"waiting": 1}
    lease = await world.claim()
    assert conditions(await survey_of(world.services)) == {"leased": 1}
    world.receiver.answers = lambda email: FAILED
    await world.deliver(lease, BATCH_EVENTS)
    await store.write_installation(lambda tx: tx.lanes.release(lease))
    failing = await survey_of(world.services)
    assert conditions(failing) == {LaneCondition.OPEN.value: 1}
    assert failing.streams == {"enabled": 1}
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, None)
    paused = await survey_of(world.services)
    assert conditions(paused) == {"stopped": 1}
    assert paused.streams == {"paused": 1}


@pytest.mark.fault(27)
async def test_a_lane_that_fails_is_open_until_a_probe_is_answered(store: Store) -> None:
    """While it waits, while it is due, while it is leased for the probe and after one that failed: an alert `for` a
    quarter of an hour sees no gap. It ends with the answer, and with the events."""
    world = await world_of(store, HandClock())
    world.receiver.answers = lambda email: FAILED
    await record(world.services, finding())
    await world.deliver_once(BATCH_EVENTS)
    seen = [conditions(await survey_of(world.services))]
    for _ in range(3):
        await pass_time(store, LONGEST * 2)
        seen.append(conditions(await survey_of(world.services)))
        lease = await world.claim()
        seen.append(conditions(await survey_of(world.services)))
        await world.deliver(lease, BATCH_EVENTS)
        await store.write_installation(lambda tx: tx.lanes.release(lease))  # noqa: B023  called here
        seen.append(conditions(await survey_of(world.services)))
    assert seen == [{"breaker_open": 1}] * 10
    world.receiver.answers = lambda email: ACCEPTED
    await pass_time(store, LONGEST * 2)
    await world.deliver_once(BATCH_EVENTS)
    assert conditions(await survey_of(world.services)) == {"idle": 1}
    await world.check()


async def test_a_lane_that_failed_and_has_nothing_more_to_send_is_idle(store: Store) -> None:
    """What it failed with has expired: nobody is probed, and nobody is to be alarmed."""
    world = await world_of(store, HandClock())
    world.receiver.answers = lambda email: FAILED
    await record(world.services, finding())
    await world.deliver_once(BATCH_EVENTS)
    world.delivering = replace(world.delivering, retention=timedelta(0))
    await pass_time(store, LONGEST * 2)
    await world.deliver_once(BATCH_EVENTS)
    assert (await world.ledger()).expired == 1
    assert conditions(await survey_of(world.services)) == {"idle": 1}
    await world.check()


async def test_a_survey_holds_the_ledger_the_keys_and_the_size(store: Store) -> None:
    """What waits on a paused stream counts as undelivered too; the current keys have an age, the next ones none."""
    world = await world_of(store, HandClock())
    await pause_integration(world.services, ACCOUNT, COMMAND_LINE, world.integration.integration_id, None)
    await record(world.services, finding())
    clock = SystemClock()
    await complete_signing_keys(
        world.services, COMMAND_LINE, lambda algorithm: new_signing_key(algorithm, VAULT, clock.now())
    )
    survey = await survey_of(world.services)
    (ledger,) = survey.ledgers
    assert (ledger.queued, ledger.pending, ledger.imbalance) == (1, 1, 0)
    assert ledger.oldest_pending is not None
    assert ledger.oldest_pending > timedelta(days=1)  # the hand clock's noon is long past for the database
    assert set(survey.key_ages) == set(Algorithm)
    assert survey.database_bytes > 100_000


async def test_levels_that_should_have_changed_are_counted(store: Store) -> None:
    """The users, and how late the first of them is."""
    services = services_of(store)
    await account_with_integration(services)
    await record(services, finding("kai@x.org", "high_dlp"), finding("lou@x.org", "high_dlp"))
    none = await survey_of(services)
    assert (none.overdue_levels, none.oldest_overdue_level) == (0, timedelta(0))
    await store.write(ACCOUNT, lambda tx: tx.users.decide_soon(["kai@x.org"]))
    await pass_time_of_levels(store, timedelta(hours=1))
    one = await survey_of(services)
    assert one.overdue_levels == 1
    assert timedelta(hours=1) <= one.oldest_overdue_level < timedelta(hours=1, minutes=1)
