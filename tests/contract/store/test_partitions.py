"""PostgreSQL: events and attempts are kept by days, and whole days are dropped without the ledger losing count."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import asyncpg
import pytest

from riskrelay.actions.upkeep import turn_partitions
from riskrelay.core.delivery.attempts import Ledger
from riskrelay.core.errors import Unavailable
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Installation
from riskrelay.storage.engines import partitions
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.installation import InstallationTransaction
from support.databases import PostgresServer
from support.delivering import ACCEPTED, World, world_of
from support.services import HandClock
from support.world import ACCOUNT, finding, record

DAY = timedelta(days=1)
KEPT = 14 * DAY
REFUSED = Outcome(kind=OutcomeKind.REJECTED, reason="invalid_audience", status=400)
FAILED = Outcome(kind=OutcomeKind.TRANSIENT, reason="http_500", status=500)


@pytest.fixture
async def url(postgres: PostgresServer) -> str:
    return await postgres.migrated_database()


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    """A world whose clock is right, so that its events fall into today's partition."""
    world = await world_of(PostgresStore(url), HandClock(datetime.now(UTC)))
    yield world
    await world.services.store.close()


def connection_of(tx: Installation) -> Any:
    return cast(InstallationTransaction, tx)._connection


async def spans(world: World, parent: str) -> list[partitions.Span]:
    return await world.services.store.read_installation(lambda tx: partitions.spans(connection_of(tx), parent))


async def drop_what_is_over(world: World) -> None:
    """As in a month."""
    while await world.services.store.write_installation(lambda tx: tx.engine.drop_partition(-30 * DAY)):
        pass


async def count(world: World, table: str) -> int:
    def counted(tx: Installation) -> int:
        found: int = connection_of(tx).exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
        return found

    return await world.services.store.read_installation(counted)


async def ledger(world: World) -> Ledger:
    return replace(await world.ledger(), oldest_pending=None)


async def test_the_days_to_come_are_there_without_gaps(world: World) -> None:
    """From the start, and again when they come nearer; several nodes at once make them once."""
    wide = 100 * DAY  # such a retention makes partitions of five days
    await asyncio.gather(*(turn_partitions(world.services, wide) for _ in range(4)))
    await turn_partitions(world.services, wide)
    now = int(world.clock.now().timestamp() * 1e6)
    for parent in ("events", "attempts"):
        there = await spans(world, parent)
        assert all(one.ends == next_one.begins for one, next_one in itertools.pairwise(there))
        assert there[0].begins <= now
        assert there[-1].ends >= now + 2 * 86_400_000_000


async def test_events_and_attempts_of_today_are_in_todays(world: World) -> None:
    """None is in the rest."""
    await record(world.services, finding("a@example.com"), finding("b@example.com"))
    await world.deliver_once(256)
    for parent in ("events", "attempts"):
        assert (await count(world, parent), await count(world, f"{parent}_other")) == (2, 0)


async def test_a_finished_day_is_dropped_and_stays_counted(world: World) -> None:
    """Delivered, dead and expired ones alike; the lane goes on."""
    world.receiver.answers = lambda email: (
        REFUSED if email.startswith("dead") else FAILED if "wait" in email else ACCEPTED
    )
    await record(world.services, *(finding(f"{name}@example.com") for name in ("a", "dead-b", "dead-c", "wait")))
    await world.deliver_once(256)
    before = await ledger(world)
    assert (before.delivered, before.dead, before.pending) == (1, 2, 1)
    await drop_what_is_over(world)  # not that with the pending one
    assert await count(world, "events") == 4
    await world.services.store.write_installation(
        lambda tx: connection_of(tx).exec_driver_sql("UPDATE held_events SET state = 'expired' WHERE state = 'pending'")
    )
    await drop_what_is_over(world)
    after = await ledger(world)
    assert (after.queued, after.delivered, after.dead, after.expired, after.pending) == (4, 1, 2, 1, 0)
    assert (await count(world, "events"), await count(world, "held_events"), await count(world, "attempts")) == (
        0,
        0,
        0,
    )
    await record(world.services, finding("next@example.com"))
    await world.deliver_once(256)
    assert (await ledger(world)).delivered == 2


async def test_events_above_the_cursor_keep_their_day(world: World) -> None:
    """However old it is: retention lets it expire first."""
    await record(world.services, finding("a@example.com"))
    await drop_what_is_over(world)
    assert (await ledger(world)).pending == await count(world, "events") == 1


async def test_dropping_a_day_blocks_no_transaction(url: str, world: World) -> None:
    """While somebody reads for long, such as a dump, nothing is dropped, and delivery goes on."""
    await record(world.services, finding("a@example.com"))
    await world.deliver_once(256)
    reader = await asyncpg.connect(url)
    async with reader.transaction():
        await reader.fetch("SELECT count(*) FROM events")
        with pytest.raises(Unavailable):
            await drop_what_is_over(world)
        await record(world.services, finding("b@example.com"))
        await world.deliver_once(256)
    await reader.close()
    assert (await ledger(world)).delivered == 2
    await drop_what_is_over(world)
    assert await count(world, "events") == 0


async def test_rows_beside_every_day_are_taken_and_forgotten_one_by_one(world: World) -> None:
    """A node whose clock is wrong does not lose anything."""
    world.clock.pass_time(-400 * DAY)
    await record(world.services, finding("a@example.com"))
    await world.deliver_once(256)
    assert await count(world, "events_other") == 1
    store = world.services.store
    (key,) = await store.read_installation(lambda tx: tx.retention.lanes_to_purge(KEPT, 5))
    assert await store.write_installation(lambda tx: tx.retention.purge(key, KEPT, 100)) == 1
    assert (await ledger(world)).delivered == 1


async def test_what_an_older_version_stored_is_sorted_into_days(postgres: PostgresServer) -> None:
    """The migration loses no row, and each is found by its day."""
    engine = postgres_engine(await postgres.new_database(), limits={})
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: upgrade(sync, "0012"))
        for statement in OLD_ROWS:
            await connection.exec_driver_sql(statement)
        await connection.run_sync(upgrade)
        rows = await connection.exec_driver_sql("SELECT seq, tableoid::regclass::text FROM events ORDER BY seq")
        place = {row.seq: row.tableoid for row in rows}
        tried = (await connection.exec_driver_sql("SELECT seq, outcome FROM attempts ORDER BY seq")).all()
    await engine.dispose()
    assert set(place) == {1, 2, 3}
    assert len(set(place.values())) == 3
    assert place[1] == "events_other"
    assert [tuple(row) for row in tried] == [(1, "accepted"), (2, "accepted"), (3, "accepted")]


_AGES = "(VALUES (1, 300), (2, 1), (3, 0)) AS old (seq, days)"
_AT = "((extract(epoch FROM now()) - days * 86400) * 1000000)::bigint"
OLD_ROWS = (
    f"INSERT INTO accounts VALUES ('{ACCOUNT}', 0)",
    "INSERT INTO integrations (account_id, integration_id, integration_type, reference_id, tenant_url, active, "
    f"public_origin, created_at, position) VALUES ('{ACCOUNT}', 'i', 'Okta', 'r', 'https://t.example', true, '', 0, 0)",
    "INSERT INTO streams (account_id, stream_id, integration_id, status, lanes) "
    f"VALUES ('{ACCOUNT}', 's', 'i', 'enabled', 1)",
    "INSERT INTO lanes (account_id, stream_id, lane, last_seq, cursor, delivered, failures, epoch, lease_until, "
    f"blocked_until, stopped) VALUES ('{ACCOUNT}', 's', 0, 3, 3, 3, 0, 0, 0, 0, false)",
    "INSERT INTO events (account_id, stream_id, lane, seq, jti, subject_key, claims, queued_at) "
    f"SELECT '{ACCOUNT}', 's', 0, seq, 'j' || seq, 'k', '', {_AT} FROM {_AGES}",
    "INSERT INTO attempts (account_id, stream_id, lane, seq, number, started_at, duration_us, outcome, reason, detail) "
    f"SELECT '{ACCOUNT}', 's', 0, seq, 1, {_AT}, 1, 'accepted', 'accepted', '' FROM {_AGES}",
)
