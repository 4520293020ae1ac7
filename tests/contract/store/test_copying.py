"""Copying an installation into another database, and a file into a second one."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from riskrelay.core.errors import Misconfigured
from riskrelay.storage.engines.copying import back_up, copy_all, fingerprint
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import sqlite_engine
from riskrelay.storage.tables import events, findings, metadata, users
from support.databases import PostgresServer, migrated_sqlite
from support.services import services_of
from support.world import account_with_integration, finding, record


@pytest.fixture
async def filled(tmp_path: Path) -> Path:
    """A SQLite installation with findings, users and queued events."""
    path = tmp_path / "old.db"
    store = migrated_sqlite(path)
    services = services_of(store)
    await account_with_integration(services)
    await record(services, *(finding(f"user{n}@example.com", "high_dlp") for n in range(2_500)))
    await store.close()
    return path


async def into_postgres(url: str, path: Path, work: Callable[[Connection, Connection], object]) -> None:
    """Run *work* over the file and the PostgreSQL database, in one transaction of the latter."""
    old, new = sqlite_engine(path), postgres_engine(url)
    try:
        with old.connect() as source:
            async with new.begin() as target:
                await target.run_sync(lambda connection: work(source, connection))
    finally:
        old.dispose()
        await new.dispose()


async def test_every_row_arrives_in_postgres(postgres: PostgresServer, filled: Path) -> None:
    """Each table has the same rows on both sides; progress is told; what is found is not empty."""
    told: list[tuple[str, int]] = []

    def work(source: Connection, target: Connection) -> None:
        upgrade(target)
        copied = copy_all(source, target, lambda table, rows: told.append((table, rows)))
        assert set(copied) == set(metadata.tables)
        assert copied["users"].rows == copied["findings"].rows == copied["events"].rows == 2_500
        for table in metadata.sorted_tables:
            sent, arrived = (sorted(map(repr, c.execute(select(table)).all())) for c in (source, target))
            assert sent == arrived

    await into_postgres(await postgres.new_database(), filled, work)
    assert [rows for table, rows in told if table == "findings"] == [1_000, 2_000, 2_500]


async def test_a_database_that_is_not_empty_is_refused(postgres: PostgresServer, filled: Path) -> None:
    """The second copy says what is there, and the first one stays."""
    url = await postgres.new_database()

    def first(source: Connection, target: Connection) -> None:
        upgrade(target)
        copy_all(source, target)

    await into_postgres(url, filled, first)
    with pytest.raises(Misconfigured, match=r"not empty .*users"):
        await into_postgres(url, filled, copy_all)


async def test_a_changed_value_changes_the_fingerprint(filled: Path) -> None:
    """One letter of one row; and putting it back restores it."""
    engine = sqlite_engine(filled)
    with engine.connect() as connection:
        before = fingerprint(connection, users)
        one = users.c.email == "user7@example.com"
        connection.execute(update(users).where(one).values(name="Kai"))
        changed = fingerprint(connection, users)
        connection.execute(update(users).where(one).values(name=None))
        assert before.rows == changed.rows == 2_500
        assert before.checksum != changed.checksum
        assert fingerprint(connection, users) == before
        assert fingerprint(connection, events).checksum != fingerprint(connection, findings).checksum
    engine.dispose()


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    (rows,) = connection.execute("SELECT count(*) FROM accounts").fetchone()
    connection.close()
    return int(rows)


async def test_a_backup_is_one_moment_of_a_database_in_use(filled: Path, tmp_path: Path) -> None:
    """Another connection goes on writing meanwhile; the copy is whole, private, and has no -wal beside it."""
    stop = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        connection = sqlite3.connect(filled, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        while not stop.is_set():
            connection.execute("INSERT INTO accounts (account_id, created_at) VALUES (?, 0)", (f"extra-{written}",))
            written += 1
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copy = tmp_path / "copy.db"
        assert back_up(filled, copy) == copy.stat().st_size
        assert copy.stat().st_mode & 0o077 == 0
        assert 1 <= count(copy) <= count(filled)
    finally:
        stop.set()
        writer.join()
    assert written > 0
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.db"]


async def test_a_backup_overwrites_nothing_and_leaves_nothing_half_done(filled: Path, tmp_path: Path) -> None:
    """A file that is there stays; a folder that is not there is said."""
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(Misconfigured, match="already exists"):
        back_up(filled, there)
    assert there.read_text() == "mine"
    with pytest.raises(Misconfigured, match="could not be written"):
        back_up(filled, tmp_path / "no" / "folder.db")
    with pytest.raises(Misconfigured, match="could not be written"):
        back_up(tmp_path / "nothing.db", tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))
