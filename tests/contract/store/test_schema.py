"""The schema is the sum of the migrations, on both engines."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect

from riskrelay.storage.postgres import postgres_engine
from riskrelay.storage.schema import is_current, upgrade
from riskrelay.storage.sqlite import sqlite_engine
from riskrelay.storage.tables import metadata
from support.databases import PostgresServer

ACCOUNT_FREE = {"signing_keys", "alembic_version"}


def check(connection: Connection) -> None:
    """Empty, migrated once, migrated again."""
    assert not is_current(connection)
    upgrade(connection)
    assert is_current(connection)
    assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    upgrade(connection)
    check_keys(connection)


def check_keys(connection: Connection) -> None:
    """Every key of an account's data starts with the account, so that a cluster can be distributed by it."""
    inspector = inspect(connection)
    for table in set(inspector.get_table_names()) - ACCOUNT_FREE:
        assert inspector.get_pk_constraint(table)["constrained_columns"][0] == "account_id"
        for key in inspector.get_foreign_keys(table):
            assert key["constrained_columns"][0] == key["referred_columns"][0] == "account_id"
        for index in inspector.get_indexes(table):
            assert not index["unique"] or index["column_names"][0] == "account_id"


def test_sqlite(tmp_path: Path) -> None:
    """The tables as declared are what migrations make."""
    engine = sqlite_engine(tmp_path / "schema.db")
    with engine.begin() as connection:
        check(connection)
        modes = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert modes == ["wal", 2]


@pytest.mark.usefixtures("postgres")
async def test_postgres(postgres: PostgresServer) -> None:
    """The same on PostgreSQL."""
    engine = postgres_engine(await postgres.new_database())
    async with engine.begin() as connection:
        await connection.run_sync(check)
    await engine.dispose()
