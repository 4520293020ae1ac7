"""Fixtures that every test may use."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from riskrelay.ports import Store
from riskrelay.storage.engines.postgres import PostgresStore
from support.databases import PostgresServer, migrated_sqlite

pytest_plugins = ("support.fault_plugin",)

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("ci", deadline=None)
settings.register_profile("soak", deadline=None, max_examples=5_000)
settings.load_profile("soak" if os.environ.get("RISKRELAY_SOAK") else "ci")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that a test runs in this process configures the log; the next test does not get its closed stream."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    server = PostgresServer(durable=False)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store, once on each engine."""
    if request.param == "sqlite":
        store = migrated_sqlite(tmp_path / "riskrelay.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        store = PostgresStore(await server.migrated_database())
    yield store
    await store.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty embedded store."""
    store = migrated_sqlite(tmp_path / "riskrelay.db")
    yield store
    await store.close()
