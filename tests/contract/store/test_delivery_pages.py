"""The list of an integration's deliveries, page by page: every delivery once, in its state, in order."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.big_installation import Population, Size, fill
from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.ports import Store
from riskrelay.storage.engines.postgres import PostgresStore
from support.databases import PostgresServer, migrated_sqlite

ACCOUNT = AccountId("acme")
SIZE = Size(users=50, integrations=20, deliveries=12_000)
POPULATION = Population(ACCOUNT, SIZE, time.time_ns() // 1_000)
NUMBERS = {"busiest": 0, "failing": 17, "paused": 18}


@pytest.fixture(params=["sqlite", "postgres"])
async def filled(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An account with deliveries in every state."""
    if request.param == "sqlite":
        path = tmp_path / "riskrelay.db"
        store, url = migrated_sqlite(path), f"sqlite:///{path}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = await server.migrated_database()
        store = PostgresStore(url)
    await fill(url, ACCOUNT, SIZE)
    yield store
    await store.close()


async def listed(store: Store, integration: str, state: DeliveryState | None, per_page: int) -> list[Delivery]:
    """All pages, one after the other."""
    integration_id = IntegrationId(POPULATION.id_of("integration", NUMBERS[integration]))
    found: list[Delivery] = []
    after = None
    while True:
        page = await store.read(ACCOUNT, lambda tx: tx.events.deliveries(integration_id, state, after, per_page))  # noqa: B023
        assert len(page) <= per_page
        found += page
        if not page:
            return found
        after = (page[-1].stream_id, page[-1].lane, page[-1].seq)


async def test_the_states_share_out_all_deliveries(filled: Store) -> None:
    """Whoever lists each state has seen each delivery once, in the order of the whole list."""
    for integration in NUMBERS:
        everything = await listed(filled, integration, None, 300)
        numbers = [delivery.seq for delivery in everything]
        assert numbers == list(range(len(numbers), 0, -1))
        for state in DeliveryState:
            wanted = [delivery for delivery in everything if delivery.state is state]
            assert await listed(filled, integration, state, 97) == wanted
        found = {delivery.state for delivery in everything}
        assert DeliveryState.DELIVERED in found
        assert (DeliveryState.PENDING in found) == (integration != "busiest")


async def test_a_delivery_is_found_by_its_jti(filled: Store) -> None:
    """An exception as well as one of the log; another integration's is not found."""
    integration_id = IntegrationId(POPULATION.id_of("integration", 0))
    other = IntegrationId(POPULATION.id_of("integration", 1))
    for state in (DeliveryState.DEAD, DeliveryState.DELIVERED):
        wanted = (await listed(filled, "busiest", state, 50))[-1]
        found = await filled.read(ACCOUNT, lambda tx: tx.events.delivery(integration_id, wanted.jti))  # noqa: B023
        assert found == wanted
        assert await filled.read(ACCOUNT, lambda tx: tx.events.delivery(other, wanted.jti)) is None  # noqa: B023
