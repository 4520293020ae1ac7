"""PostgreSQL plans by statistics, and has none of a new table: it gets them as soon as the table has grown."""

import asyncpg

from riskrelay.actions.upkeep import analyze_tables
from riskrelay.ports import Store
from riskrelay.storage.engines.postgres import PostgresStore
from support.databases import PostgresServer
from support.services import services_of
from support.world import account_with_integration, finding, record

WITHOUT = "SELECT relname FROM pg_class WHERE relname IN ('users', 'findings', 'streams') AND reltuples < 0 ORDER BY 1"


async def test_what_has_grown_gets_statistics(postgres: PostgresServer) -> None:
    """What is small does not need them."""
    url = await postgres.migrated_database()
    services = services_of(PostgresStore(url))
    admin = await asyncpg.connect(url)
    await account_with_integration(services)
    await analyze_tables(services)
    assert [row[0] for row in await admin.fetch(WITHOUT)] == ["findings", "streams", "users"]
    await record(services, *(finding(f"{n}@example.com") for n in range(2_000)))
    await analyze_tables(services)
    assert [row[0] for row in await admin.fetch(WITHOUT)] == ["streams"]
    await admin.close()
    await services.store.close()


async def test_on_either_engine_nothing_else_changes(store: Store) -> None:
    """SQLite needs none of it."""
    services = services_of(store)
    await account_with_integration(services)
    await record(services, finding())
    await analyze_tables(services)
    (ledger,) = await store.read_installation(lambda tx: tx.ledgers())
    assert (ledger.queued, ledger.imbalance) == (1, 0)
