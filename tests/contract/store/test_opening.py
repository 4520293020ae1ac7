"""Work on a database outside of a store: migrations and copies, while nodes go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import Connection

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines import postgres_opening
from riskrelay.storage.engines.opening import work_on
from riskrelay.storage.engines.schema import is_current, upgrade
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


@asynccontextmanager
async def reading(url: str, table: str) -> AsyncIterator[int]:
    """A session that has read a table in a transaction that it forgot, as pg_dump or a psql; its process id."""
    session = await asyncpg.connect(url, server_settings={"application_name": "nightly-report"})
    transaction = session.transaction()
    await transaction.start()
    await session.fetch(f"SELECT 'a secret subject', count(*) FROM {table}")
    yield session.get_server_pid()
    await session.close()


async def migrated_to(server: PostgresServer, revision: str) -> str:
    """A database with an older schema."""
    url = await server.new_database()
    await work_on(url, None, lambda connection: upgrade(connection, revision))
    return url


@pytest.mark.fault(46)
async def test_a_migration_behind_an_open_transaction_lets_nodes_go_on(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits shortly, says who holds the lock, lets go and tries again, and ends when the lock is free. A node's
    statement never waits as long as its own lock timeout (5 s)."""
    monkeypatch.setattr(postgres_opening, "_PAUSE_SECONDS", 0.1)
    url = await migrated_to(postgres, "0017")
    said: list[str] = []
    freed = asyncio.Event()

    def waiting(holders: str) -> None:
        said.append(holders)
        if len(said) == 2:
            freed.set()

    node = await asyncpg.connect(url, server_settings={"lock_timeout": "5s"})
    async with reading(url, "lanes") as pid:
        migrating = asyncio.create_task(work_on(url, None, upgrade, waiting))
        while not freed.is_set():
            await node.execute("UPDATE lanes SET epoch = epoch WHERE false")  # an error would end the test
            await asyncio.sleep(0.02)
    await migrating
    await node.close()
    assert await work_on(url, None, is_current)
    for holder in said:
        assert holder.startswith(f"session {pid} (application nightly-report, user postgres, idle in transaction")
        assert f"SELECT pg_terminate_backend({pid}) ends it" in holder
        assert "secret" not in holder


@pytest.mark.fault(46)
async def test_a_migration_that_never_gets_its_lock_ends_and_changes_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the name of who holds it; the schema is the old one, and nodes of the old version go on."""
    monkeypatch.setattr(postgres_opening, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(postgres_opening, "_TRIES", 2)
    url = await migrated_to(postgres, "0017")
    async with reading(url, "lanes") as pid:
        with pytest.raises(Misconfigured, match=rf"session {pid} .*Nothing was changed") as refused:
            await work_on(url, None, upgrade, lambda holders: None)
    assert "nightly-report" in str(refused.value)
    assert not await work_on(url, None, is_current)
    assert await work_on(url, None, lambda connection: connection.exec_driver_sql(REVISION).scalar()) == "0017"


REVISION = "SELECT version_num FROM alembic_version"


async def test_two_migrations_at_once_are_one(postgres: PostgresServer) -> None:
    """The second waits for the first, however long, and finds nothing to do: it is no holder of a lock to be named."""
    url = await migrated_to(postgres, "0001")
    said: list[str] = []
    await asyncio.gather(*(work_on(url, None, upgrade, said.append) for _ in range(3)))
    assert await work_on(url, None, is_current)
    assert said == []


@pytest.mark.fault(46)
@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "LATIN9", "WIN1252"])
async def test_a_database_that_cannot_store_every_character(postgres: PostgresServer, encoding: str) -> None:
    """It is refused by whatever opens it first, with the statement that creates one that can."""
    name = f"e{encoding.lower()}"
    server = await asyncpg.connect(postgres.url)
    await server.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    await server.close()
    url = postgres.url.replace("/postgres?", f"/{name}?")
    for work in (upgrade, is_current):
        with pytest.raises(Misconfigured, match=f"{name} has the encoding {encoding}.*CREATE DATABASE riskrelay ENCOD"):
            await work_on(url, None, work)
