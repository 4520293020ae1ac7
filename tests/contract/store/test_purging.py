"""Old records are deleted in bounded pieces, and recent ones stay."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select

from riskrelay.actions.accounts import create_account
from riskrelay.actions.integrations import NewIntegration, create_integration, delete_integration
from riskrelay.actions.receiver_credentials import WantedCredential, create_receiver_credential
from riskrelay.actions.replays import start_replay
from riskrelay.actions.upkeep import purge_events, purge_records
from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.replays import ReplayFilter
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId, Integration, IntegrationType
from riskrelay.core.jobs import JobStatus
from riskrelay.core.ssf.access import ALL_RECEIVER_SCOPES, CredentialKind
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequestId
from riskrelay.ports import Services, Store, Transaction
from riskrelay.storage.tables import metadata
from support.services import HandClock, services_of
from support.world import ACCOUNT, ORIGIN, OTHER, account_with_integration, finding, record

DAY = timedelta(days=1)
LONG = timedelta(days=36_500)
GONE = {"integrations", "streams", "lanes", "receiver_credentials", "replays", "replay_places", "subject_statements"}


async def services_at(store: Store, age: timedelta) -> Services:
    """Actions whose clock is behind the database's by *age*."""
    services = services_of(store, HandClock(datetime.now(UTC) - age))
    await create_account(services, ACCOUNT, COMMAND_LINE)
    await create_account(services, OTHER, COMMAND_LINE)
    return services


async def integration_of(services: Services, account_id: AccountId = ACCOUNT) -> Integration:
    url = "https://receiver.example.com"
    wanted = NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=url)
    return await create_integration(services, account_id, COMMAND_LINE, wanted, public_origin=ORIGIN)


async def counts(store: Store) -> dict[str, int]:
    """How many rows each table has."""

    def count(tx: Transaction) -> dict[str, int]:
        connection: Connection = tx.users._connection  # type: ignore[attr-defined]
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
        }

    return await store.read(ACCOUNT, count)


async def purge_all(services: Services, history: timedelta, audit: timedelta = LONG) -> int:
    """Purge until nothing is left to do; how many rounds did something."""
    rounds = 0
    while await purge_records(services, history, audit):
        rounds += 1
    return rounds


async def test_old_audit_entries_of_every_owner_are_deleted(store: Store) -> None:
    """Those of accounts and of the installation; recent ones stay; each transaction deletes a bounded number."""
    services = await services_at(store, 200 * DAY)

    def add(tx: Transaction) -> None:
        for number in range(1_500):
            entry = AuditEntry(
                entry_id=f"e{number}",
                at=services.clock.now(),
                actor=COMMAND_LINE,
                verb=Verb.CREATED,
                kind=Kind.TOKEN,
                thing_id="t",
            )
            tx.audit.record(entry)

    for account in (ACCOUNT, OTHER):
        await store.write(account, add)
    old = (await counts(store))["audit_entries"]
    await integration_of(await services_at(store, timedelta(0)), OTHER)
    assert (await counts(store))["audit_entries"] > old > 3_000
    recent = (await counts(store))["audit_entries"] - old
    assert await purge_all(services, LONG, 201 * DAY) == 0
    assert await purge_all(services, LONG, 100 * DAY) >= 5
    assert (await counts(store))["audit_entries"] == recent


async def test_the_database_keeps_recent_audit_entries_whatever_is_asked(store: Store) -> None:
    """A trigger rejects the deletion of an entry of the last 60 days."""
    services = await services_at(store, 59 * DAY)
    before = (await counts(store))["audit_entries"]
    assert before
    with pytest.raises(Unavailable):
        await store.write_installation(lambda tx: tx.purging.audit_entries(DAY, 10))
    assert (await counts(store))["audit_entries"] == before
    assert await purge_all(services, LONG, 90 * DAY) == 0


async def test_ids_of_requested_events_are_forgotten_when_they_are_old(store: Store) -> None:
    """A recent one of the same account stays."""
    services = await services_at(store, 10 * DAY)

    def add(tx: Transaction) -> None:
        for name, at in (("old", services.clock.now()), ("new", datetime.now(UTC))):
            answer = AnsweredRequest(txn="t", deliveries=(), digest=b"d" * 32, requested_at=at)
            tx.event_requests.add(EventRequestId(name), answer)

    await store.write(ACCOUNT, add)
    assert await purge_all(services, 11 * DAY) == 0
    assert await purge_all(services, 9 * DAY) == 1
    assert (await counts(store))["event_requests"] == 1


async def test_only_replays_that_are_over_are_deleted(store: Store) -> None:
    """However old a running or paused one is, it stays with its places."""
    services = await services_at(store, 10 * DAY)
    integration = await integration_of(services)
    wanted = ReplayFilter(state=DeliveryState.DEAD, reason=None, queued_from=None, queued_to=datetime.now(UTC))
    started = [
        await start_replay(services, ACCOUNT, COMMAND_LINE, integration.integration_id, wanted, 0) for _ in range(4)
    ]
    ended = (JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.PAUSED)
    for replay, status in zip(started, ended, strict=False):
        await store.write(ACCOUNT, lambda tx, one=replay, to=status: tx.replays.set_status(one.replay_id, to))  # type: ignore[misc]
    assert await purge_all(services, 11 * DAY) == 0
    await purge_all(services, 9 * DAY)
    left = await store.read(ACCOUNT, lambda tx: tx.replays.all(integration.integration_id, 9))
    assert {replay.status for replay in left} == {JobStatus.RUNNING, JobStatus.PAUSED}


async def test_a_deleted_integration_leaves_nothing_once_its_events_are_purged(store: Store) -> None:
    """Its streams, lanes, credentials and replays go with it; another account's integration stays whole."""
    services = services_of(store, HandClock(datetime.now(UTC) - 10 * DAY))
    await create_account(services, OTHER, COMMAND_LINE)
    await integration_of(services, OTHER)
    before = await counts(store)
    integration = await account_with_integration(services)
    number = integration.integration_id
    wanted = WantedCredential(kind=CredentialKind.STATIC_TOKEN, name="", scopes=ALL_RECEIVER_SCOPES, expires_at=None)
    await create_receiver_credential(services, ACCOUNT, COMMAND_LINE, number, wanted)
    await record(services, finding())
    replay = ReplayFilter(state=DeliveryState.DEAD, reason=None, queued_from=None, queued_to=datetime.now(UTC))
    await start_replay(services, ACCOUNT, COMMAND_LINE, number, replay, 0)
    await delete_integration(services, ACCOUNT, COMMAND_LINE, number)
    assert await purge_all(services, 11 * DAY) == 0
    assert await purge_all(services, 9 * DAY) == 0, "its events are still there"
    while await purge_events(services, -DAY):  # their age is the database's
        continue
    assert await purge_all(services, 9 * DAY) >= 1
    after = await counts(store)
    assert after["events"] == after["held_events"] == after["attempts"] == 0
    assert {name: after[name] for name in GONE} == {name: before[name] for name in GONE}


async def test_an_integration_that_is_not_deleted_stays_however_old_it_is(store: Store) -> None:
    """So do its stream and its lanes."""
    services = await services_at(store, 900 * DAY)
    await integration_of(services)
    before = await counts(store)
    assert await purge_all(services, DAY) == 0
    assert await counts(store) == before
