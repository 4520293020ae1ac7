"""Fixtures that every test may use."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from riskrelay.ports import Store
from support.databases import PostgresServer, migrated_postgres, migrated_sqlite


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store, once on each engine."""
    if request.param == "sqlite":
        store = migrated_sqlite(tmp_path / "riskrelay.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        store = await migrated_postgres(await server.new_database())
    yield store
    await store.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty embedded store."""
    store = migrated_sqlite(tmp_path / "riskrelay.db")
    yield store
    await store.close()
