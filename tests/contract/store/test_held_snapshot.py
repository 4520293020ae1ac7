"""PostgreSQL keeps every version of a row that a held snapshot could see: what delivery does for each batch still finds
the newest at once (ADR 0018). Counted in pages that a statement touches, so that a busy machine changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import ClauseElement, select

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.ports import Installation
from riskrelay.storage.delivery import claiming, events, lanes, receiver_streams
from riskrelay.storage.delivery.newest import lane_parameters, of_lane
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.tables import lanes as lane_rows
from riskrelay.storage.times import number_of
from support.databases import PostgresServer
from support.delivering import LEASE, World, world_of
from support.explaining import explain
from support.services import HandClock
from support.world import finding, record

CLAIMS = 2_000
FEW = 30  # pages: a handful of index look-ups, and an update with its entries in two indexes
MANY = 2 * FEW


@dataclass(frozen=True)
class Database:
    """A world on PostgreSQL, its lane, and a connection beside the world's own."""

    url: str
    world: World
    lane: LaneKey
    connection: asyncpg.Connection

    async def claim_and_release(self, times: int) -> None:
        """Each time leaves two versions behind, which were due."""

        def work(tx: Installation) -> None:
            for _ in range(times):
                (lease,) = tx.lanes.claim(1, LEASE, [self.lane])
                tx.lanes.release(lease)

        await self.world.services.store.write_installation(work)

    async def pages(self, statement: ClauseElement, **parameters: object) -> int:
        """How many pages *statement* touches; what it does is undone."""
        explained = await explain(self.connection, statement, **lane_parameters(self.lane), **parameters)
        return explained.pages

    @asynccontextmanager
    async def held_snapshot(self) -> AsyncIterator[None]:
        holder = await asyncpg.connect(self.url)
        async with holder.transaction(isolation="repeatable_read"):
            await holder.fetchval("SELECT count(*) FROM lanes")
            yield
        await holder.close()


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """With a lane that has been due for an hour."""
    url = await postgres.migrated_database()
    world = await world_of(PostgresStore(url), HandClock())
    await record(world.services, finding())
    connection = await asyncpg.connect(url)
    lane = await connection.fetchrow(
        "UPDATE lanes SET due_at = due_at - 3600000000 WHERE due_at IS NOT NULL RETURNING account_id, stream_id, lane"
    )
    yield Database(url, world, LaneKey(*lane), connection)
    await connection.close()
    await world.services.store.close()


async def test_the_newest_of_many_versions_is_found_at_once(database: Database) -> None:
    """Whatever a change or a poll takes: a number, a claim, a read, a settlement, a release (by lane and epoch). Also
    when PostgreSQL has last planned when the table was all but empty. Asking for the lane alone reads all of them."""
    await database.connection.execute("VACUUM ANALYZE lanes")
    async with database.held_snapshot():
        await database.claim_and_release(CLAIMS // 2)
        await database.claim_and_release(CLAIMS // 2)
        epoch = await database.connection.fetchval("SELECT max(epoch) FROM lanes")
        touched = {
            "number": await database.pages(events._TAKE_NUMBERS.statement, count=1),
            "claim": await database.pages(claiming._OWN_NAMED, lease_us=0),
            "own": await database.pages(claiming._OWN_LOCKED, lease_us=0),
            "read": await database.pages(lanes._OWNED, mine=epoch),
            "release": await database.pages(lanes._RELEASE, mine=epoch),
            "poll": await database.pages(select(receiver_streams.WAITS_IN[0])),
        }
        assert max(touched.values()) <= FEW, touched
        assert await database.pages(select(lane_rows.c.cursor).where(of_lane(lane_rows))) >= MANY
        assert len((await database.world.deliver(await database.world.claim())).attempts) == 1


async def test_a_scan_for_due_lanes_does_not_read_earlier_entries(database: Database) -> None:
    """It begins where the one before saw the oldest; only a look from the beginning of time reads all that was due."""
    async with database.held_snapshot():
        await database.claim_and_release(CLAIMS)
        await database.world.deliver(await database.world.claim())
        await database.connection.execute("ANALYZE lanes")
        since = number_of(datetime.now(UTC) - timedelta(minutes=1))
        assert await database.pages(claiming._NEXT_DUE, since=since) <= FEW
        assert await database.pages(claiming._LONGEST_DUE, since=since, most=5) <= FEW
        assert await database.pages(claiming._NEXT_DUE, since=0) >= MANY
