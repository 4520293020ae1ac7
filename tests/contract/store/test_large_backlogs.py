"""Large backlogs are cancelled, and deleted streams are removed, in steps of a bounded number of rows."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Engine, event, insert, text

from riskrelay.actions.accounts import create_account
from riskrelay.actions.integrations import delete_integration
from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.streams import create_stream, set_stream_status
from riskrelay.actions.upkeep import cancel_events, purge_events, purge_records
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.delivery.lanes import CANCELLED_AT_ONCE, LaneLease, settle
from riskrelay.core.integrations import Integration
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import CredentialId, Receiver
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE
from riskrelay.core.ssf.events import Jti, SecurityEvent
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.polling import PollRequest
from riskrelay.core.ssf.stream_documents import PushRules
from riskrelay.core.ssf.streams import STREAM_DISABLED, Party, Stream, StreamStatus
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.local.ids import SystemIds
from riskrelay.ports import Installation, Services, Store, StreamStop, Transaction
from riskrelay.storage.installation import InstallationTransaction
from riskrelay.storage.tables import subject_statements
from support.receiver_world import ssf_integration
from support.services import services_of
from support.transmitting import VAULT, polling_of
from support.world import ACCOUNT, account_with_integration, finding, record

BACKLOG = 3 * CANCELLED_AT_ONCE + 500
LONG = timedelta(days=36_500)  # events of these tests bear the hand clock's date
MORE_EVENTS = text(
    """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :more)
    INSERT INTO events (account_id, stream_id, lane, seq, jti, subject_key, claims, queued_at)
    SELECT account_id, stream_id, lane, seq + n, CAST(n AS VARCHAR(36)), subject_key, claims, queued_at
    FROM events JOIN numbers ON true
    WHERE lane = 0 AND seq = (SELECT max(seq) FROM events WHERE lane = 0)
    """
)
MORE_NUMBERS = text("UPDATE lanes SET last_seq = last_seq + :more, due_at = 0 WHERE lane = 0 AND last_seq > 0")


@pytest.fixture
async def services(store: Store) -> Services:
    """Actions with random ids."""
    return replace(services_of(store), ids=SystemIds())


@contextmanager
def rows_written() -> Iterator[list[int]]:
    """The number of rows that each transaction inserts, updates or deletes, on any engine. The last is still open."""
    rows = [0]

    def count(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, is_many: bool) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")):
            rows[-1] += max(cursor.rowcount, len(parameters) if is_many else 0)

    def start(_connection: Any) -> None:
        rows.append(0)

    event.listen(Engine, "after_cursor_execute", count)
    event.listen(Engine, "commit", start)
    try:
        yield rows
    finally:
        event.remove(Engine, "after_cursor_execute", count)
        event.remove(Engine, "commit", start)


async def execute(store: Store, *statements: Any) -> None:
    def run(tx: Installation) -> None:
        for statement in statements:
            cast(InstallationTransaction, tx)._connection.execute(statement, {"more": BACKLOG - 1})

    await store.write_installation(run)


async def add_backlog(store: Store) -> None:
    """Let the one event that waits be followed by copies of it, up to BACKLOG."""
    await execute(store, MORE_EVENTS, MORE_NUMBERS)


async def ledgers(store: Store) -> Sequence[Ledger]:
    found = await store.read_installation(lambda tx: tx.ledgers())
    assert all(ledger.imbalance == 0 for ledger in found)
    return found


async def counted(store: Store) -> Counter[str]:
    """The events in each state, over all streams."""
    names = ("queued", "pending", "cancelled", "delivered", "dead")
    return Counter({name: sum(getattr(ledger, name) for ledger in await ledgers(store)) for name in names})


async def claim(store: Store) -> list[LaneLease]:
    return await store.write_installation(lambda tx: tx.lanes.claim(10, timedelta(minutes=1)))


async def stream_of(store: Store, integration: Integration) -> Stream:
    (stream,) = await store.read(ACCOUNT, lambda tx: tx.streams.of_integration(integration.integration_id))
    return stream


async def set_status(store: Store, stream: Stream, status: StreamStatus) -> None:
    """As its receiver does with a stream of its own."""

    def change(tx: Transaction) -> None:
        tx.streams.set_status(stream.stream_id, status, None, Party.RECEIVER)
        if status is StreamStatus.DISABLED:
            tx.streams.cancel_backlog(stream, stream.all_lanes, STREAM_DISABLED, CANCELLED_AT_ONCE)
        tx.streams.refresh_lanes(replace(stream, status=status), is_fixed=status is StreamStatus.ENABLED)

    await store.write(ACCOUNT, change)


def event_of(name: str, services: Services) -> SecurityEvent:
    return SecurityEvent(
        jti=Jti(services.ids.uuid()),
        txn="txn",
        issued_at=services.clock.now(),
        event_type=CAEP_RISK_LEVEL_CHANGE,
        event={},
        sub_id=email_subject(f"{name}@example.com"),
    )


async def queue(store: Store, queued: SecurityEvent) -> None:
    def work(tx: Transaction) -> None:
        (stream,) = tx.streams.taking_events()
        tx.events.queue([Signal(stream=stream, subject_key=subject_key(queued.sub_id), event=queued)])

    await store.write(ACCOUNT, work)


async def finish(services: Services) -> int:
    """Cancel what is left. The ledger adds up after each step. Return the number of steps."""
    steps = 0
    while await cancel_events(services):
        await ledgers(services.store)
        steps += 1
    return steps


async def test_an_integration_with_a_large_backlog_is_deleted_in_steps(store: Store, services: Services) -> None:
    """It is gone at once, and nothing is sent any more. Each transaction writes a bounded number of rows, the chores'
    too, and the ledger adds up between them. Attempted events are cancelled with the others."""
    integration = await account_with_integration(services)
    await record(services, finding())
    (lease,) = await claim(store)
    work = await store.read_installation(lambda tx: tx.lanes.read(lease, 100, LONG))
    failed = settle(work, {1: Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)}, lambda: 0.0)
    await store.write_installation(lambda tx: tx.lanes.settle(lease, work, failed, [], timedelta(0)))
    await add_backlog(store)
    with rows_written() as rows:
        await delete_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
        assert await store.read(ACCOUNT, lambda tx: tx.integrations.get(integration.integration_id)) is None
        assert await claim(store) == []
        first = await counted(store)
        assert (first["cancelled"], first["pending"]) == (CANCELLED_AT_ONCE, BACKLOG - CANCELLED_AT_ONCE)
        assert await finish(services) == 3
    assert max(rows) <= CANCELLED_AT_ONCE + 10
    assert (await counted(store))["cancelled"] == BACKLOG
    assert await claim(store) == []


async def test_a_stream_that_is_enabled_again_waits_until_its_old_events_are_cancelled(
    store: Store, services: Services
) -> None:
    """None of them is sent. Events queued after that are sent as soon as the last one is cancelled; those queued while
    the stream was disabled are not."""
    stream = await stream_of(store, await account_with_integration(services))
    await record(services, finding())
    await add_backlog(store)
    await set_status(store, stream, StreamStatus.DISABLED)
    await set_status(store, stream, StreamStatus.ENABLED)
    await record(services, finding("new@example.com"))
    assert await claim(store) == []
    await set_status(store, stream, StreamStatus.DISABLED)
    await set_status(store, stream, StreamStatus.ENABLED)
    await record(services, finding("newer@example.com"))
    services.wake.lanes.clear()  # type: ignore[attr-defined]
    assert await finish(services) == 2
    (lease,) = await claim(store)
    assert [lease.key] == services.wake.lanes  # type: ignore[attr-defined]
    work = await store.read_installation(lambda tx: tx.lanes.read(lease, 100, LONG))
    assert [event.seq for event in work.fresh] == [BACKLOG + 2]
    assert not work.held
    assert (await counted(store))["cancelled"] == BACKLOG + 1


async def test_a_receiver_that_answers_410_loses_a_large_backlog_in_steps(store: Store, services: Services) -> None:
    """As when an account deletes the integration."""
    await account_with_integration(services)
    await record(services, finding())
    await add_backlog(store)
    (lease,) = await claim(store)
    work = await store.read_installation(lambda tx: tx.lanes.read(lease, 100, LONG))
    gone = settle(work, {1: Outcome(kind=OutcomeKind.GONE, reason="http_410", status=410)}, lambda: 0.0)
    stop = StreamStop(status=StreamStatus.DISABLED, reason="http_410", notice=None, cancels_backlog=True)
    with rows_written() as rows:
        await store.write_installation(lambda tx: tx.lanes.stop_stream(lease, work, gone, [], stop))
        assert await finish(services) == 3
    assert max(rows) <= CANCELLED_AT_ONCE + 10
    assert (await counted(store))["pending"] == 0


async def test_a_polled_stream_returns_no_event_that_is_being_cancelled(store: Store, services: Services) -> None:
    """Not after it was enabled again either; an acknowledgement of one changes nothing; newer events come after it."""
    await create_account(services, ACCOUNT, COMMAND_LINE)
    integration = await ssf_integration(services)
    receiver = Receiver(
        account_id=ACCOUNT,
        integration_id=integration.integration_id,
        credential_id=CredentialId("c"),
        scopes=frozenset(),
    )
    rules = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
    stream = await create_stream(services, receiver, {"events_requested": [CAEP_RISK_LEVEL_CHANGE]}, rules)
    polling = polling_of()

    async def poll(acknowledged: Collection[Jti] = ()) -> list[Jti]:
        request = PollRequest(return_immediately=True, acknowledged=frozenset(acknowledged))
        return list((await poll_stream(services, polling, receiver, stream.stream_id, request)).sets)

    await poll(await poll())  # the verification event
    queued = [event_of(name, services) for name in ("kai", "lea")]
    await queue(store, queued[0])
    await add_backlog(store)
    first = await poll()
    assert first[0] == queued[0].jti
    for status in (StreamStatus.DISABLED, StreamStatus.ENABLED):
        await set_stream_status(services, receiver, stream.stream_id, status, None)
    await queue(store, queued[1])
    assert await poll() == await poll(first) == []
    await finish(services)
    found = await counted(store)
    assert (found["cancelled"], found["delivered"], found["pending"]) == (BACKLOG, 1, 1)
    assert await poll() == [queued[1].jti]


async def test_deleted_streams_with_many_rows_are_removed_in_steps(store: Store, services: Services) -> None:
    """No transaction deletes more rows than one step, whatever the receivers have stated and however many lanes."""
    await create_account(services, ACCOUNT, COMMAND_LINE)
    integration = await ssf_integration(services)
    receiver = Receiver(
        account_id=ACCOUNT,
        integration_id=integration.integration_id,
        credential_id=CredentialId("c"),
        scopes=frozenset(),
    )
    rules = PushRules(lambda url: None, lambda secret: VAULT.seal(secret, "a row"))
    streams = [await create_stream(services, receiver, {}, rules) for _ in range(10)]
    rows = [
        {
            "account_id": ACCOUNT,
            "stream_id": stream.stream_id,
            "subject_hash": str(number),
            "subject": "{}",
            "is_removed": False,
            "position": number,
        }
        for stream in streams
        for number in range(350)
    ]
    await execute(
        store, insert(subject_statements).values(rows[:1_750]), insert(subject_statements).values(rows[1_750:])
    )
    await delete_integration(services, ACCOUNT, COMMAND_LINE, integration.integration_id)
    while await purge_events(services, -LONG):
        continue
    with rows_written() as written:
        while await purge_records(services, timedelta(days=-1), LONG):
            continue
    assert sum(written) >= 3_500
    assert max(written) <= 1_000
    assert await ledgers(store) == []
