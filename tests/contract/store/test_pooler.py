"""Behind PgBouncer in transaction mode everything is stored and delivered; nothing is left in its sessions."""

import asyncio
from dataclasses import replace
from typing import Any, cast

import asyncpg

from riskrelay.local.gathering import Alone
from riskrelay.ports import Installation, Store
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.engines.postgres_engine import LIMITS
from support.databases import PostgresServer
from support.delivering import World, world_of
from support.pooler import pooler_before
from support.services import HandClock
from support.world import finding, record

NODES = 3
CLIENTS = 24


async def shown(store: Store, name: str) -> str:
    def show(tx: Installation) -> str:
        value: str = cast(Any, tx)._connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        return value

    return await store.read_installation(show)


async def test_nodes_share_the_poolers_sessions(postgres: PostgresServer) -> None:
    """Several nodes with more connections than the pooler has: each transaction may run in any session, no prepared
    statement is missed or met twice, and the limits hold in each transaction and stay in none."""
    direct = await postgres.migrated_database()
    with pooler_before(postgres.socket_directory) as pooler:
        stores = [PostgresStore(pooler.url(direct)) for _ in range(NODES)]
        try:
            world = await world_of(stores[0], HandClock())
            await asyncio.gather(*(_send(world, store, place) for place, store in enumerate(stores * CLIENTS)))
            for name, value in LIMITS.items():
                assert await shown(stores[1], name) == value
            session = await asyncpg.connect(pooler.url(direct), statement_cache_size=0)
            async with session.transaction():
                assert await session.fetchval("SHOW statement_timeout") == "0"
                assert await session.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
            await session.close()
            while (await world.ledger()).pending:
                await world.deliver_once(256)
            assert (await world.ledger()).delivered == len(world.receiver.accepted) == NODES * CLIENTS
        finally:
            await asyncio.gather(*(store.close() for store in stores))


async def _send(world: World, store: Store, place: int) -> None:
    services = replace(world.services, store=store, gathering=Alone())
    recorded = await record(services, finding(f"{place}@example.com", finding_id=f"f{place}"))
    assert recorded.accepted == 1
