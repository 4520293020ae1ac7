"""Work on a database outside of a store: migrations and copies, while nodes go on."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import Connection

from riskrelay.storage.engines.opening import work_on
from support.databases import PostgresServer


@pytest.mark.fault(16)
async def test_a_migration_that_deadlocks_with_a_node_is_done_again(postgres: PostgresServer) -> None:
    """faults.md 16: PostgreSQL ends one of the two; when that is the migration, nothing of it is left, and it repeats
    by itself."""
    url = await postgres.new_database()
    node = await asyncpg.connect(url)
    await node.execute("CREATE TABLE one (n int); CREATE TABLE two (n int)")
    tries: list[int] = []
    has_one = asyncio.Event()

    def migrate(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE one ADD COLUMN more int")
        tries.append(1)
        has_one.set()
        connection.exec_driver_sql("ALTER TABLE two ADD COLUMN more int")

    async with node.transaction():
        await node.execute("SET LOCAL deadlock_timeout = '60s'")  # it is the other that looks for the deadlock
        await node.execute("INSERT INTO two VALUES (1)")
        migrating = asyncio.create_task(work_on(url, None, migrate))
        await has_one.wait()
        await node.execute("INSERT INTO one VALUES (1)")
    await migrating
    assert len(tries) == 2
    row = await node.fetchrow("SELECT one.more, two.more FROM one, two")
    await node.close()
    assert row == (None, None)
