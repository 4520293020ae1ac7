"""Erasing a user on both engines: no table names the user afterwards, nothing about the user is sent, and every event
is still counted once."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select

from riskrelay.actions import erasures
from riskrelay.actions.bulk_resets import start_bulk_reset
from riskrelay.actions.directory import put_entries
from riskrelay.actions.erasures import STEP_ROWS, continue_erasures, erase_user
from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.record_activity import record_activity
from riskrelay.actions.security_events import queue_security_events
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Attempt, DeliveryState, Ledger
from riskrelay.core.delivery.lanes import LaneLease, LaneWork, chains, settle
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.delivery.replays import ReplayFilter
from riskrelay.core.erasures import ErasureStatus, erased_jti
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import Integration
from riskrelay.core.risk.activity import Activity, DlpHit
from riskrelay.core.risk.bulk_resets import BulkResetFilter
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.core.sources.directory import DirectoryEntry
from riskrelay.core.sources.signals import Name
from riskrelay.core.ssf.event_requests import EventRequest, EventRequestId
from riskrelay.core.ssf.event_type import OKTA_USER_RISK_CHANGE
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Services, Store, Transaction
from riskrelay.storage.risk.erasures import ERASED_TABLES, OF_ADDRESS, OF_USER
from riskrelay.storage.tables import known_places, metadata
from support.receiver_world import receiver_world
from support.services import NOON, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

KAI, LOU = "Kai@example.com", "lou@example.com"
NOW = timedelta(0)
LONG = timedelta(days=36_500)  # events of these tests have the hand clock's date, long ago
ACCEPTED = Outcome(kind=OutcomeKind.ACCEPTED, reason="accepted", status=202)
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_request", status=400, detail="unknown kai@example.com")
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500, detail="kai@example.com failed")

WITHOUT_USERS = {
    **dict.fromkeys(("accounts", "tokens", "console_sessions", "deleted_accounts"), "of the account"),
    **dict.fromkeys(("signing_keys", "nodes", "clock_readings"), "of the installation"),
    **dict.fromkeys(("integrations", "receiver_credentials", "access_tokens", "streams", "lanes"), "of receivers"),
    "refused_requests": "the last error of each receiver's operation, in this service's words",
    "replays": "filters by state, reason and time",
    "bulk_resets": "filters by level, behavior and time",
    "replay_places": "numbers of events",
    **dict.fromkeys(("sources", "source_credentials", "source_counts"), "of the account"),
    "source_samples": "sealed, so nobody knows about whom; each ends within a day",
    "audit_entries": "user ids, never addresses",
    **dict.fromkeys(
        ("behavior_settings", "detection_limits", "trusted_networks", "level_times", "rules"), "settings of the account"
    ),
    "notification_channels": "of the account; messages name integrations and sources, never users",
    "notified_problems": "conditions of integrations and sources",
    "level_pace": "a number of users",
    "rule_work": "the id of a user while all are evaluated again, never an address",
    **dict.fromkeys(("stocks", "level_counts", "finding_counts"), "numbers of users and findings"),
    **dict.fromkeys(("large_writes", "large_write_parts"), "an erasure begins after the large write has ended"),
}


def test_every_table_is_erased_or_has_nothing_about_users() -> None:
    """A new table is named in `ERASED_TABLES`, or here with the reason."""
    assert {table.name for table in ERASED_TABLES} | WITHOUT_USERS.keys() == metadata.tables.keys()
    assert not {table.name for table in ERASED_TABLES} & WITHOUT_USERS.keys()


@pytest.mark.parametrize(("tables", "column"), [(OF_USER, "user_id"), (OF_ADDRESS, "email_key")])
def test_rows_about_a_user_are_found_by_an_index(tables: Sequence[Table], column: str) -> None:
    """A table with such a column is erased without being named anywhere, if its rows can be found."""
    for table in tables:
        if table.name in ("bulk_reset_users", "replay_users"):
            continue  # users of a job that is not finished, which are few
        keys = [table.primary_key.columns, *(index.columns for index in table.indexes)]
        assert ["account_id", column] in [[one.name for one in key][:2] for key in keys], table.name


@pytest.fixture
async def services(store: Store) -> Services:
    return services_of(store)


@pytest.fixture
async def integration(services: Services) -> Integration:
    return await account_with_integration(services)


async def user_id_of(services: Services, email: str = KAI) -> UserId:
    found = await services.store.read(ACCOUNT, lambda tx: tx.users.find([UserRef(email)]))
    (standing,) = found.values()
    return standing.user_id


async def erase(services: Services, email: str = KAI) -> ErasureStatus:
    return await erase_user(services, ACCOUNT, COMMAND_LINE, await user_id_of(services, email))


async def ledger(services: Services) -> Ledger:
    (only,) = await services.store.read_installation(lambda tx: tx.ledgers())
    assert only.imbalance == 0
    return only


async def claim(services: Services, lease: timedelta = NOW) -> LaneLease:
    (claimed,) = await services.store.write_installation(lambda tx: tx.lanes.claim(5, lease))
    return claimed


async def read_lane(services: Services, lease: LaneLease) -> LaneWork:
    return await services.store.read_installation(lambda tx: tx.lanes.read(lease, 256, LONG))


async def settle_lane(services: Services, lease: LaneLease, read: LaneWork, outcomes: Mapping[int, Outcome]) -> None:
    events = {event.seq: event for event in [*read.held, *read.fresh]}
    tried = [_attempt(events[seq], outcome) for seq, outcome in outcomes.items()]
    settlement = settle(read, outcomes, lambda: 0.0)
    await services.store.write_installation(lambda tx: tx.lanes.settle(lease, read, settlement, tried, NOW))


def _attempt(event: QueuedEvent, outcome: Outcome) -> Attempt:
    return Attempt(
        seq=event.seq,
        jti=event.jti,
        number=event.attempts + 1,
        queued_at=event.queued_at,
        started_at=NOON,
        duration=NOW,
        outcome=outcome,
    )


async def work(services: Services, outcomes: Mapping[int, Outcome]) -> None:
    """Push what is due and settle it."""
    lease = await claim(services)
    await settle_lane(services, lease, await read_lane(services, lease), outcomes)


def connection_of(tx: Transaction) -> Connection:
    connection: Connection = tx.users._connection  # type: ignore[attr-defined]
    return connection


async def named_in(store: Store, text: str) -> set[str]:
    """The tables that have *text* in any column of any row."""

    def read(tx: Transaction) -> set[str]:
        return {
            name
            for name, table in metadata.tables.items()
            for row in connection_of(tx).execute(select(table))
            if text in " ".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in row).lower()
        }

    return await store.read(ACCOUNT, read)


async def counts(store: Store, names: Collection[str]) -> dict[str, int]:
    def read(tx: Transaction) -> dict[str, int]:
        return {name: len(connection_of(tx).execute(select(metadata.tables[name])).all()) for name in names}

    return await store.read(ACCOUNT, read)


def requested(subject: Mapping[str, Any], request_id: str) -> EventRequest:
    return EventRequest(
        request_id=EventRequestId(request_id),
        event_type=OKTA_USER_RISK_CHANGE,
        subject=subject,
        event={"subject": {"user": subject}},
        txn=None,
        digest=b"d" * 32,
    )


USER: Mapping[str, Any] = {"format": "email", "email": "KAI@example.com"}
OTHER: Mapping[str, Any] = {"format": "opaque", "id": "other"}
SESSION: Mapping[str, Any] = {"format": "complex", "session": {"format": "opaque", "id": "s1"}, "user": USER}
EMAIL_MEMBER: Mapping[str, Any] = {"format": "complex", "email": USER}


def exception_of(email: str, exception_id: str) -> RiskException:
    return RiskException(
        exception_id=ExceptionId(exception_id),
        coverage=Coverage.USER,
        covered=email,
        behavior=None,
        effect=Effect.IGNORE,
        level=None,
        reason="a test",
        ends_at=None,
        created_at=NOON,
    )


async def fill(services: Services, integration: Integration) -> None:
    """Write rows about Kai and about Lou into each table that has users."""
    await record(services, finding(KAI), finding(LOU))
    await record(services, finding(KAI, "sentinel_one"))
    for email in (KAI, LOU):
        hit = Activity(activity_id=None, user=UserRef(email), seen=DlpHit(NOON, "cards"), digest=b"d" * 32)
        await record_activity(services, ACCOUNT, {0: hit})
        entry = DirectoryEntry(name=Name(kind="host", value=f"laptop of {email.partition('@')[0]}"), email=email)
        await put_entries(services, ACCOUNT, COMMAND_LINE, [entry])
    for number, subject in enumerate((USER, SESSION, EMAIL_MEMBER, OTHER)):
        await queue_security_events(services, ACCOUNT, COMMAND_LINE, [requested(subject, f"r{number}")])

    listed = [await user_id_of(services, email) for email in (KAI, LOU)]
    wanted = BulkResetFilter(users=listed)
    await start_bulk_reset(services, ACCOUNT, COMMAND_LINE, wanted, reason=None, total=2)

    def add(tx: Transaction) -> None:
        tx.missed_names.add({Name(kind="user_name", value="kai@example.com"): 1}, NOON, 10)
        tx.missed_names.add({Name(kind="host", value="laptop of lou"): 1}, NOON, 10)
        for number, email in enumerate((KAI, LOU)):
            tx.exceptions.add(exception_of(email, str(number)))
        place = {"account_id": ACCOUNT, "day": 1, "cell": 1}
        connection_of(tx).execute(
            insert(known_places), [{**place, "email_key": key} for key in ("kai@example.com", LOU)]
        )
        (stream,) = tx.streams.of_integration(integration.integration_id)
        for number, subject in enumerate((SESSION, OTHER)):
            tx.receiver_streams.state(stream.stream_id, subject, number == 0)

    await services.store.write(ACCOUNT, add)


async def test_no_table_names_an_erased_user(services: Services, integration: Integration) -> None:
    """Delivered, refused, failed and waiting events, and every other row. Those about other users stay."""
    await fill(services, integration)
    await work(services, {1: ACCEPTED, 2: ACCEPTED, 3: REFUSED, 4: FAILED})
    others = await named_in(services.store, "lou")
    before = await ledger(services)
    user_id = await user_id_of(services)
    assert await erase(services) is ErasureStatus.COMPLETED
    assert await named_in(services.store, "kai") == set()
    assert await named_in(services.store, "lou") == others
    assert await named_in(services.store, user_id) == {"audit_entries"}
    left = await counts(services.store, ["users", "findings", "activity", "directory_entries", "known_places"])
    assert left == {"users": 1, "findings": 1, "activity": 1, "directory_entries": 1, "known_places": 1}
    more = await counts(services.store, ["event_requests", "subject_statements", "missed_names", "exceptions"])
    history = await counts(services.store, ["level_changes", "bulk_reset_users"])
    assert history == {"level_changes": 1, "bulk_reset_users": 1}
    assert more == {"event_requests": 1, "subject_statements": 1, "missed_names": 1, "exceptions": 1}
    after = await ledger(services)
    assert (after.queued, after.delivered, after.dead) == (before.queued, before.delivered, before.dead)


async def test_an_erasure_is_audited_by_the_users_id(services: Services, integration: Integration) -> None:
    """The entry says who erased and when, and never the address; a repeat adds none."""
    await record(services, finding(KAI))
    user_id = await user_id_of(services)
    await erase(services)
    with pytest.raises(NotFound):
        await erase_user(services, ACCOUNT, COMMAND_LINE, user_id)
    entries = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.USER, None, 10))
    assert [(entry.verb, entry.thing_id, entry.at) for entry in entries] == [(Verb.ERASED, user_id, NOON)]


async def test_waiting_events_of_a_stopped_stream_are_erased_at_once(
    services: Services, integration: Integration
) -> None:
    """Held events and the next events above the cursor are erased, and the lane is no longer due."""
    await record(services, finding(KAI))
    await work(services, {1: FAILED})
    await pause_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id, None)
    await record(services, finding(KAI, "sentinel_one"))
    assert (await ledger(services)).pending == 2
    await erase(services)
    counted = await ledger(services)
    assert (counted.erased, counted.pending, counted.oldest_pending) == (2, 0, None)
    await resume_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
    assert await services.store.write_installation(lambda tx: tx.lanes.claim(5, NOW)) == []


async def test_an_event_between_others_is_erased_when_its_turn_comes(
    services: Services, integration: Integration
) -> None:
    """It has no content from the erasure on, and is never among the events to send."""
    await record(services, finding(LOU))
    await record(services, finding(KAI))
    await record(services, finding("max@example.com"))
    await erase(services)
    lease = await claim(services)
    read = await read_lane(services, lease)
    assert [event.seq for chain in chains(read) for event in chain] == [1, 3]
    await settle_lane(services, lease, read, {1: ACCEPTED, 3: ACCEPTED})
    counted = await ledger(services)
    assert (counted.delivered, counted.erased, counted.pending) == (2, 1, 0)


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED, FAILED])
@pytest.mark.parametrize("was_held", [False, True])
async def test_an_event_that_is_being_sent_is_counted_by_its_outcome(
    services: Services, integration: Integration, outcome: Outcome, was_held: bool
) -> None:
    """The batch under way writes what happened, without the receiver's words; a failed event is not sent again."""
    await record(services, finding(KAI))
    if was_held:
        await work(services, {1: FAILED})
        await pause_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id, None)
        await resume_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)  # ends the wait
    lease = await claim(services, timedelta(minutes=1))
    read = await read_lane(services, lease)
    await erase(services)
    await settle_lane(services, lease, read, {1: outcome})
    assert await named_in(services.store, "kai") == set()
    counted = await ledger(services)
    settled = {ACCEPTED.kind: counted.delivered, REFUSED.kind: counted.dead, FAILED.kind: counted.pending}
    assert settled[outcome.kind] == 1
    if outcome is FAILED:
        await pause_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id, None)
        await resume_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
        again = await claim(services)
        read = await read_lane(services, again)
        assert chains(read) == []
        await settle_lane(services, again, read, {})
        assert (await ledger(services)).erased == 1


async def test_receipts_stay_and_are_not_sent_again(services: Services, integration: Integration) -> None:
    """State, times and stream; of the jti a digest. A replay of everything finds only the events of others."""
    await record(services, finding(KAI), finding(LOU))
    integration_id = integration.integration_id
    before = await services.store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration_id, None, None, 10))
    await work(services, {1: ACCEPTED, 2: ACCEPTED})
    await erase(services)
    after = await services.store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration_id, None, None, 10))
    assert {one.jti for one in after} & {erased_jti(one.jti) for one in before}
    assert [one.state for one in after] == [DeliveryState.DELIVERED] * 2
    assert [len(one.attempts) for one in after] == [1, 1]
    wanted = ReplayFilter(state=DeliveryState.DELIVERED, reason=None, queued_from=None, queued_to=NOON)
    count, _ = await services.store.read(ACCOUNT, lambda tx: tx.replays.matching(integration_id, wanted, 5))
    assert count == 1
    (erased,) = {one.jti for one in after} - {one.jti for one in before}
    assert await services.store.write(ACCOUNT, lambda tx: tx.replays.retry(integration_id, erased)) is None


async def test_a_finding_after_the_erasure_makes_a_new_user(
    services: Services, integration: Integration, steps_of_a_request: int
) -> None:
    """Even before the erasure ends. The new user's findings and events are not erased."""
    old = await user_id_with_findings(services, 2 * steps_of_a_request)
    assert await erase(services) is ErasureStatus.RUNNING
    assert await services.store.read(ACCOUNT, lambda tx: tx.users.profile(old, 0, 10)) is None
    assert await services.store.read(ACCOUNT, lambda tx: tx.user_views.by_email("", None, 10)) == []
    recorded = await record(services, finding(KAI))
    assert [change.previous for change in recorded.changes] == [None]
    while await continue_erasures(services):
        continue
    new = await user_id_of(services)
    assert new != old
    assert await counts(services.store, ["users", "findings", "erasures"]) == {"users": 1, "findings": 1, "erasures": 0}
    counted = await ledger(services)
    assert (counted.erased, counted.pending) == (1, 1)


async def user_id_with_findings(services: Services, count: int) -> UserId:
    """Kai, with *count* findings."""
    await record(services, *[finding(KAI)] * count)
    return await user_id_of(services)


@pytest.fixture
def steps_of_a_request(monkeypatch: pytest.MonkeyPatch) -> int:
    """Steps of one row, and how many of them a request takes."""
    monkeypatch.setattr(erasures, "STEP_ROWS", 1)
    monkeypatch.setattr(erasures, "_FIRST_STEPS", 5)
    return 5


async def test_a_repeat_goes_on_with_a_running_erasure(
    services: Services, integration: Integration, steps_of_a_request: int
) -> None:
    """Each request removes a part, until none is left."""
    user_id = await user_id_with_findings(services, steps_of_a_request + 1)
    statuses = [await erase_user(services, ACCOUNT, COMMAND_LINE, user_id) for _ in range(2)]
    assert statuses == [ErasureStatus.RUNNING, ErasureStatus.COMPLETED]
    with pytest.raises(NotFound):
        await erase_user(services, ACCOUNT, COMMAND_LINE, user_id)


async def test_many_events_are_erased_in_short_steps(services: Services, integration: Integration) -> None:
    """A step changes at most a hundred rows, and any process can take the next one."""
    asked = [replace(requested(subject, "r"), request_id=None) for subject in (USER, SESSION)]
    await queue_security_events(services, ACCOUNT, COMMAND_LINE, asked * 130)
    await record(services, finding(KAI))
    user_id = await user_id_of(services)
    at = NOON

    def begin(tx: Transaction) -> None:
        standing = tx.users.get(user_id)
        assert standing is not None
        tx.erasures.begin(standing, at)

    await services.store.write(ACCOUNT, begin)
    erased = [0]
    while await continue_erasures(services):
        erased.append(await _erased_rows(services.store))
    assert max(after - before for before, after in itertools.pairwise(erased)) <= STEP_ROWS
    assert await named_in(services.store, "kai") == set()
    counted = await ledger(services)
    assert (counted.erased, counted.pending) == (261, 0)


async def _erased_rows(store: Store) -> int:
    def read(tx: Transaction) -> int:
        events = metadata.tables["events"]
        return len(connection_of(tx).execute(select(events.c.seq).where(events.c.subject_key == "")).all())

    return await store.read(ACCOUNT, read)


async def test_a_polled_event_is_gone_even_if_the_receiver_has_it(services: Services) -> None:
    """Its acknowledgement comes too late; the event is counted as erased, and the events of others are acknowledged."""
    async with receiver_world(services) as world:
        stream_id = (await world.create())["stream_id"]
        await world.drain(stream_id)
        await record(world.services, finding(KAI), finding(LOU))
        seen = (await world.poll(stream_id))["sets"]
        await erase(world.services)
        left = (await world.poll(stream_id))["sets"]
        assert [claims["sub_id"]["email"] for claims in left.values()] == [LOU]
        assert left.keys() < seen.keys()
        assert (await world.poll(stream_id, ack=[*seen]))["sets"] == {}
        counted = await world.ledger(stream_id)
    assert (counted.delivered, counted.erased, counted.pending, counted.imbalance) == (2, 1, 0, 0)
