"""Retention: events expire on lanes nobody works on, and old rows go without the ledger losing count."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.deliveries import retry_delivery
from riskrelay.actions.integrations import update_integration
from riskrelay.actions.pauses import pause_integration
from riskrelay.actions.upkeep import expire_events, purge_events
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState, Ledger
from riskrelay.core.delivery.lanes import LaneLease, settle
from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Services, Store
from support.services import NOON, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

DAY = timedelta(days=1)
LONG = timedelta(days=36_500)  # events of these tests bear the hand clock's date, long ago
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)


@pytest.fixture
async def services(store: Store) -> Services:
    return services_of(store)


@pytest.fixture
async def integration(services: Services) -> Integration:
    return await account_with_integration(services)


async def ledger(services: Services) -> Ledger:
    (only,) = await services.store.read_installation(lambda tx: tx.ledgers())
    assert only.imbalance == 0
    return only


async def claim(services: Services, lease: timedelta = timedelta(0)) -> LaneLease:
    (claimed,) = await services.store.write_installation(lambda tx: tx.lanes.claim(5, lease))
    return claimed


async def work(services: Services, *outcomes: Outcome) -> None:
    """Settle the first events of the lane, one outcome each."""
    lease = await claim(services)
    read = await services.store.read_installation(lambda tx: tx.lanes.read(lease, 256, LONG))
    settlement = settle(read, dict(enumerate(outcomes, 1)), lambda: 0.0)
    await services.store.write_installation(lambda tx: tx.lanes.settle(lease, read, settlement, [], timedelta(0)))


@pytest.mark.parametrize("stopped_by", ["pause", "inactive"])
async def test_events_of_stopped_streams_expire(services: Services, integration: Integration, stopped_by: str) -> None:
    """Held ones and those above the cursor; the age is the database's."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    await work(services, FAILED)
    place = (services, ACCOUNT, COMMAND_LINE, integration.integration_id)
    if stopped_by == "pause":
        await pause_integration(*place, None)
    else:
        await update_integration(*place, integration.tenant_url, None, False)
    assert await expire_events(services, LONG) == 0
    assert await expire_events(services, DAY) == 2
    counted = await ledger(services)
    assert (counted.expired, counted.pending) == (2, 0)
    assert await expire_events(services, DAY) == 0


async def test_the_owner_of_a_lane_expires_its_events(services: Services, integration: Integration) -> None:
    """A lane with a lease is left alone; without one its late owner is fenced."""
    await record(services, finding())
    await claim(services, timedelta(minutes=1))
    assert await expire_events(services, DAY) == 0
    assert (await ledger(services)).pending == 1


async def test_a_retry_starts_the_retention_again(services: Services, integration: Integration) -> None:
    """What has expired can go out once more, and is not expired at once."""
    await record(services, finding())
    await expire_events(services, DAY)
    (expired,) = await services.store.read(
        ACCOUNT, lambda tx: tx.events.deliveries(integration.integration_id, DeliveryState.EXPIRED, None, 5)
    )
    await retry_delivery(services, ACCOUNT, COMMAND_LINE, integration.integration_id, expired.jti)
    assert await expire_events(services, DAY) == 0
    lease = await claim(services)
    read = await services.store.read_installation(lambda tx: tx.lanes.read(lease, 10, DAY))
    assert [(event.jti, event.expired) for event in read.held] == [(expired.jti, False)]
    assert (await ledger(services)).pending == 1


async def test_old_rows_go_and_stay_counted(services: Services, integration: Integration) -> None:
    """Delivered, dead and expired events and their attempts; what is pending stays, and so does what is young."""
    await record(services, *[finding(f"{name}@example.com") for name in "abcd"])
    await work(services, ACCEPTED, REFUSED)
    before = await ledger(services)
    assert await purge_events(services, LONG) == 0
    assert await purge_events(services, DAY) == 2
    after = await ledger(services)
    assert replace(after, oldest_pending=None) == replace(before, oldest_pending=None)
    left = await services.store.read(
        ACCOUNT, lambda tx: tx.events.deliveries(integration.integration_id, None, None, 10)
    )
    assert {delivery.state for delivery in left} == {DeliveryState.PENDING}
    await expire_events(services, DAY)
    assert await purge_events(services, DAY) == 2
    counted = await ledger(services)
    assert (counted.queued, counted.delivered, counted.dead, counted.expired) == (4, 1, 1, 2)
    assert counted.oldest_pending is None


async def test_the_lane_continues_after_a_purge(services: Services, integration: Integration) -> None:
    """New events get the next numbers."""
    await record(services, finding())
    await work(services, ACCEPTED)
    await purge_events(services, DAY)
    await record(services, finding("b@example.com"))
    lease = await claim(services)
    read = await services.store.read_installation(lambda tx: tx.lanes.read(lease, 10, LONG))
    assert [event.seq for event in read.fresh] == [2]
    assert read.fresh[0].queued_at == NOON
