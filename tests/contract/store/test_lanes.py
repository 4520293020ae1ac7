"""Lanes: claim, read, settle, release. The same on both engines."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Select, literal, select

from riskrelay.actions.integrations import delete_integration, update_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Attempt, Ledger
from riskrelay.core.delivery.lanes import LaneKey, LaneLease, LaneWork, Settlement, settle
from riskrelay.core.errors import LeaseLost
from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import StreamStatus
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.ports import Installation, Services, Store, StreamStop
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import lanes
from support.database_time import pass_time
from support.services import NOON, Wakes, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

LEASE = timedelta(minutes=1)
NO_LEASE = timedelta(0)
RETENTION = timedelta(days=36_500)  # events of these tests bear the hand clock's date

ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)


async def update(services: Services, integration: Integration, *, active: bool | None) -> None:
    """As an account does that changes nothing but *active*."""
    integration_id, tenant_url = integration.integration_id, integration.tenant_url
    await update_integration(services, ACCOUNT, COMMAND_LINE, integration_id, tenant_url, None, active)


def key(name: str) -> str:
    """Of the user with that name at example.com."""
    return subject_key(email_subject(f"{name}@example.com"))


async def claim(store: Store, lease: timedelta = LEASE) -> list[LaneLease]:
    return await store.write_installation(lambda tx: tx.lanes.claim(10, lease))


async def read(store: Store, lease: LaneLease, retention: timedelta = RETENTION) -> LaneWork:
    return await store.read_installation(lambda tx: tx.lanes.read(lease, 100, retention))


async def write_down(
    store: Store, lease: LaneLease, work: LaneWork, outcomes: dict[int, Outcome], extend: timedelta = LEASE
) -> Settlement:
    settlement = settle(work, outcomes, lambda: 0.0)
    jtis = {event.seq: event for event in [*work.held, *work.fresh]}
    tried = [
        Attempt(
            seq=seq,
            jti=jtis[seq].jti,
            number=jtis[seq].attempts + 1,
            queued_at=NOON,
            started_at=NOON,
            duration=timedelta(milliseconds=3),
            outcome=outcome,
        )
        for seq, outcome in outcomes.items()
    ]
    await store.write_installation(lambda tx: tx.lanes.settle(lease, work, settlement, tried, extend))
    return settlement


async def ledger(store: Store) -> Ledger:
    (only,) = await store.read_installation(lambda tx: tx.ledgers())
    return only


@pytest.fixture
async def services(store: Store) -> Services:
    return services_of(store)


@pytest.fixture
async def integration(services: Services) -> Integration:
    return await account_with_integration(services)


async def test_a_lane_without_events_is_not_claimed(store: Store, integration: Integration) -> None:
    """Only lanes with work are claimed; a new integration's lane is due once and then rests."""
    for lease in await claim(store):
        await write_down(store, lease, await read(store, lease), {}, NO_LEASE)
    assert await claim(store) == []
    assert (await store.read_installation(lambda tx: tx.lanes.next_due())).due_in is None


async def test_events_are_numbered_in_order_without_gaps(
    store: Store, services: Services, integration: Integration
) -> None:
    """Each queued event gets the next number of its lane, and its lane is woken."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    await record(services, finding("c@example.com"))
    (lease,) = await claim(store)
    work = await read(store, lease)
    assert [event.seq for event in work.fresh] == [1, 2, 3]
    assert [event.subject_key for event in work.fresh] == [key("a"), key("b"), key("c")]
    assert work.stream is not None
    assert work.stream.integration == integration
    assert isinstance(services.wake, Wakes)
    assert lease.key in services.wake.lanes


async def test_a_claimed_lane_has_one_owner_until_the_lease_ends(
    store: Store, services: Services, integration: Integration
) -> None:
    """A second claim finds nothing; after the lease it does, with a higher epoch."""
    await record(services, finding())
    (first,) = await claim(store, NO_LEASE)
    (second,) = await claim(store)
    assert second.epoch == first.epoch + 1
    assert await claim(store) == []


@pytest.mark.fault(20)
async def test_a_worker_without_its_lease_reads_and_writes_nothing(
    store: Store, services: Services, integration: Integration
) -> None:
    """Every statement of an old epoch is refused, and nothing of its settlement stays (faults.md 20)."""
    await record(services, finding())
    (old,) = await claim(store, NO_LEASE)
    work = await read(store, old)
    (new,) = await claim(store)
    with pytest.raises(LeaseLost):
        await read(store, old)
    with pytest.raises(LeaseLost):
        await write_down(store, old, work, {1: ACCEPTED})
    assert (await ledger(store)).delivered == 0
    assert (await read(store, new)).cursor == 0


async def test_an_accepted_event_needs_no_row(store: Store, services: Services, integration: Integration) -> None:
    """The cursor moves, the counter counts, no exception is stored, and the lane rests."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    (lease,) = await claim(store)
    settlement = await write_down(store, lease, await read(store, lease), {1: ACCEPTED, 2: ACCEPTED})
    assert settlement.due_in is None
    work = await read(store, lease)
    assert (work.cursor, list(work.held), list(work.fresh)) == (2, [], [])
    counted = await ledger(store)
    assert (counted.queued, counted.delivered, counted.pending, counted.imbalance) == (2, 2, 0, 0)


async def test_a_failed_event_gets_a_row_and_later_ones_wait(
    store: Store, services: Services, integration: Integration
) -> None:
    """The cursor passes a failed event and the same user's next one; both are held, in order."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    await record(services, finding("a@example.com", "high_dlp"))
    (lease,) = await claim(store)
    await write_down(store, lease, await read(store, lease), {1: FAILED, 2: ACCEPTED})
    work = await read(store, lease)
    assert [(event.seq, event.attempts) for event in work.held] == [(1, 1)]
    assert [event.seq for event in work.fresh] == [3]
    await write_down(store, lease, work, {})
    work = await read(store, lease)
    assert [(event.seq, event.attempts, event.reason) for event in work.held] == [
        (1, 1, "http_500"),
        (3, 0, "waiting"),
    ]
    assert work.cursor == 3
    counted = await ledger(store)
    assert (counted.queued, counted.delivered, counted.pending, counted.imbalance) == (3, 1, 2, 0)


async def test_a_held_event_that_is_accepted_leaves_no_row(
    store: Store, services: Services, integration: Integration
) -> None:
    """Delivered late is delivered."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    (lease,) = await claim(store)
    await write_down(store, lease, await read(store, lease), {1: FAILED, 2: ACCEPTED})
    await write_down(store, lease, await read(store, lease), {1: ACCEPTED})
    assert list((await read(store, lease)).held) == []
    counted = await ledger(store)
    assert (counted.delivered, counted.pending, counted.imbalance) == (2, 0, 0)


async def test_a_refused_event_is_dead_and_the_lane_continues(
    store: Store, services: Services, integration: Integration
) -> None:
    """A dead letter is counted and not tried again."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    (lease,) = await claim(store)
    await write_down(store, lease, await read(store, lease), {1: REFUSED, 2: ACCEPTED})
    assert list((await read(store, lease)).held) == []
    counted = await ledger(store)
    assert (counted.delivered, counted.dead, counted.pending, counted.imbalance) == (1, 1, 0, 0)


async def test_events_beyond_the_retention_expire(store: Store, services: Services, integration: Integration) -> None:
    """An event older than the retention is marked, settled as expired and never pushed."""
    await record(services, finding())
    (lease,) = await claim(store)
    work = await read(store, lease, timedelta(seconds=1))
    assert [event.expired for event in work.fresh] == [True]
    await write_down(store, lease, work, {})
    counted = await ledger(store)
    assert (counted.expired, counted.pending, counted.imbalance) == (1, 0, 0)


async def test_an_event_queued_during_a_batch_keeps_the_lane_due(
    store: Store, services: Services, integration: Integration
) -> None:
    """Settling must not overwrite the due time that a newer event set."""
    await record(services, finding("a@example.com"))
    (lease,) = await claim(store)
    work = await read(store, lease)
    await record(services, finding("b@example.com"))
    await write_down(store, lease, work, {1: ACCEPTED}, NO_LEASE)
    (again,) = await claim(store)
    assert [event.seq for event in (await read(store, again)).fresh] == [2]


async def test_a_released_lane_is_free_at_once(store: Store, services: Services, integration: Integration) -> None:
    """Release ends the lease; releasing a lost lease does nothing."""
    await record(services, finding())
    (lease,) = await claim(store)
    await store.write_installation(lambda tx: tx.lanes.release(lease))
    (again,) = await claim(store)
    await store.write_installation(lambda tx: tx.lanes.release(lease))
    assert await claim(store) == []
    assert again.epoch == lease.epoch + 1


async def test_releasing_all_leases_fences_their_holders(
    store: Store, services: Services, integration: Integration
) -> None:
    """What a crashed process held is free, and if it should still live, it writes nothing."""
    await record(services, finding())
    (lease,) = await claim(store)
    await store.write_installation(lambda tx: tx.lanes.release_all())
    with pytest.raises(LeaseLost):
        await read(store, lease)
    assert len(await claim(store)) == 1


async def test_a_failing_lane_is_not_due_before_its_wait_is_over(
    store: Store, services: Services, integration: Integration
) -> None:
    """After failure the lane is quiet, also for newer events."""
    await record(services, finding())
    (lease,) = await claim(store)
    often = replace(await read(store, lease), failures=8)
    settlement = await write_down(store, lease, often, {1: FAILED}, NO_LEASE)
    await record(services, finding("b@example.com"))
    assert await claim(store) == []
    due_in = (await store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert due_in is not None
    assert settlement.due_in is not None
    assert timedelta(0) < settlement.due_in - timedelta(minutes=1) < due_in <= settlement.due_in


async def test_a_lane_is_claimed_by_its_name(store: Store, services: Services, integration: Integration) -> None:
    """Only the one that is named, and as ever only one that is due, free and not stopped."""

    async def named(*keys: LaneKey) -> list[LaneLease]:
        return await store.write_installation(lambda tx: tx.lanes.claim(10, LEASE, keys))

    await record(services, finding())
    (lease,) = await claim(store, NO_LEASE)
    other = replace(lease.key, lane=lease.key.lane + 1)
    assert await named() == await named(other) == []
    assert await named(other, lease.key) == [LaneLease(lease.key, lease.epoch + 1)]
    assert await named(lease.key) == []
    await store.write_installation(lambda tx: tx.lanes.release_all())
    await update(services, integration, active=False)
    assert await named(lease.key) == []
    await update(services, integration, active=True)
    (again,) = await named(lease.key)
    await write_down(store, again, await read(store, again), {1: ACCEPTED}, NO_LEASE)
    assert await named(lease.key) == []


async def test_a_scan_starts_at_the_given_time(store: Store, services: Services, integration: Integration) -> None:
    """What has been due for longer may be missed, and is found from the beginning; nothing is missed because the
    database's clock was put back."""
    await record(services, finding())
    began = (await store.read_installation(lambda tx: tx.lanes.next_due())).since
    await pass_time(store, timedelta(hours=1))
    missed = await store.read_installation(lambda tx: tx.lanes.next_due(began))
    assert missed.due_in is None
    assert missed.since >= began
    assert await store.write_installation(lambda tx: tx.lanes.claim(10, LEASE, None, began)) == []
    found = await store.read_installation(lambda tx: tx.lanes.next_due())
    assert found.due_in == timedelta(0)
    assert began - found.since == timedelta(hours=1)
    ahead = missed.since + timedelta(hours=2)
    await pass_time(store, timedelta(hours=-1))
    assert len(await store.write_installation(lambda tx: tx.lanes.claim(10, LEASE, None, ahead))) == 1


@pytest.mark.fault(29)
async def test_a_stopped_stream_keeps_its_backlog_and_resumes_on_update(
    store: Store, services: Services, integration: Integration
) -> None:
    """401 pauses: nothing is claimed, events are still queued; an update lets it go on (faults.md 29)."""
    await record(services, finding("a@example.com"))
    (lease,) = await claim(store)
    work, stop = (
        await read(store, lease),
        StreamStop(status=StreamStatus.PAUSED, reason="http_401", notice=None, cancels_backlog=False),
    )
    settlement = settle(work, {1: Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401)}, lambda: 0.0)
    await store.write_installation(lambda tx: tx.lanes.stop_stream(lease, work, settlement, [], stop))
    assert (await read(store, lease)).stream is None
    await record(services, finding("b@example.com"))
    assert await claim(store) == []
    assert (await ledger(store)).pending == 2
    await update_integration(
        services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, None
    )
    (again,) = await claim(store)
    work = await read(store, again)
    assert [event.seq for event in [*work.held, *work.fresh]] == [1, 2]


async def test_an_inactive_integration_gets_nothing_and_keeps_what_it_had(
    store: Store, services: Services, integration: Integration
) -> None:
    """Inactive: nothing new is queued, nothing is claimed; active again: the backlog goes out."""
    await record(services, finding("a@example.com"))
    await update_integration(
        services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, False
    )
    await record(services, finding("b@example.com"))
    assert await claim(store) == []
    assert (await ledger(store)).queued == 1
    await update_integration(
        services, ACCOUNT, COMMAND_LINE, integration.integration_id, integration.tenant_url, None, True
    )
    (lease,) = await claim(store)
    assert [event.subject_key for event in (await read(store, lease)).fresh] == [key("a")]


@pytest.mark.fault(34)
async def test_deleting_cancels_the_backlog_and_fences_the_worker(
    store: Store, services: Services, integration: Integration
) -> None:
    """Held and fresh events become cancelled; the worker in the middle of a batch writes nothing (faults.md 34)."""
    await record(services, finding("a@example.com"), finding("b@example.com"))
    (lease,) = await claim(store)
    await write_down(store, lease, await read(store, lease), {1: FAILED})
    work = await read(store, lease)
    await delete_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
    with pytest.raises(LeaseLost):
        await write_down(store, lease, work, {1: ACCEPTED, 2: ACCEPTED})
    counted = await ledger(store)
    assert (counted.cancelled, counted.pending, counted.delivered, counted.imbalance) == (2, 0, 0, 0)
    assert await claim(store) == []


async def test_the_oldest_pending_event_has_an_age(store: Store, services: Services, integration: Integration) -> None:
    """The age is that of the first event above the cursor, or of a held one; none when nothing waits."""
    await record(services, finding())
    assert (await ledger(store)).oldest_pending is not None
    (lease,) = await claim(store)
    await write_down(store, lease, await read(store, lease), {1: ACCEPTED})
    assert (await ledger(store)).oldest_pending is None


async def two_lanes(store: Store) -> None:
    """Spread the one stream over two lanes."""

    def spread(tx: Installation) -> None:
        connection = cast(InstallationTransaction, tx)._connection
        connection.exec_driver_sql("UPDATE streams SET lanes = 2")
        connection.execute(lanes.insert().from_select(*_second_lane()))

    await store.write_installation(spread)


def _second_lane() -> tuple[list[str], Select[Any]]:
    names = [column.name for column in lanes.columns]
    return names, select(*(literal(1) if name == "lane" else lanes.c[name] for name in names))


@pytest.mark.fault(26)
async def test_retry_after_on_one_lane_outlasts_the_settlement_of_another(
    store: Store, services: Services, integration: Integration
) -> None:
    """A batch of a second lane that was under way and is accepted does not shorten the wait that the receiver asked
    for on the first: neither lane is due before it."""
    await two_lanes(store)
    await record(services, *(finding(f"u{number}@example.com") for number in range(20)))
    first, second = await claim(store)
    works = {lease: await read(store, lease) for lease in (first, second)}
    later = Outcome(kind=OutcomeKind.THROTTLED, reason="http_429", status=429, retry_after=timedelta(seconds=90))
    await write_down(store, first, works[first], {1: later}, NO_LEASE)
    seqs = [event.seq for event in works[second].fresh]
    assert seqs
    await write_down(store, second, works[second], dict.fromkeys(seqs[:1], ACCEPTED), NO_LEASE)
    assert await claim(store) == []
    due_in = (await store.read_installation(lambda tx: tx.lanes.next_due())).due_in
    assert due_in is not None
    assert timedelta(seconds=60) < due_in <= timedelta(seconds=90)
    await record(services, *(finding(f"v{number}@example.com") for number in range(20)))
    assert await claim(store) == []
