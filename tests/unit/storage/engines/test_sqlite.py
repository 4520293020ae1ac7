"""The embedded store's writer."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import exc

from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Transaction
from riskrelay.storage.engines import sqlite
from riskrelay.storage.engines.opening import work_on
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import SqliteStore, sqlite_engine
from riskrelay.storage.installation import InstallationTransaction


async def test_a_writer_replaces_a_broken_connection(tmp_path: Path) -> None:
    """Neither commit nor rollback work: whoever waited is told, and the next one is served."""
    path = tmp_path / "riskrelay.db"
    await work_on(f"sqlite:///{path}", path, upgrade)
    store = SqliteStore(path)
    await store.write_installation(lambda tx: tx.lanes.release_all())
    connection = store._writer._connection
    assert connection is not None

    def broken() -> None:
        raise exc.OperationalError("COMMIT", None, OSError("disk I/O error"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(connection, "commit", broken)
        patched.setattr(connection, "close", broken)
        with pytest.raises(Unavailable):
            await store.write_installation(lambda tx: tx.lanes.release_all())
    await store.write_installation(lambda tx: tx.lanes.release_all())
    assert store._writer._connection is not connection
    await store.close()


async def test_a_small_write_waits_for_one_large_one(
    sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account with many large transactions waiting does not put itself before another account, and the other's
    commit does not wait for them: it is answered while they still wait."""
    monkeypatch.setattr(sqlite, "_GROUP_SECONDS", 0)  # every transaction is a large one
    begun, finish = threading.Event(), threading.Event()
    ran: list[str] = []

    def large(tx: Transaction) -> None:
        begun.set()
        finish.wait(10)
        ran.append("large")

    def small(tx: Transaction) -> list[str]:
        ran.append("small")
        return list(ran)

    first = asyncio.create_task(sqlite_store.write(AccountId("busy"), large))
    await asyncio.to_thread(begun.wait, 10)
    others = [asyncio.create_task(sqlite_store.write(AccountId("busy"), large)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting = asyncio.create_task(sqlite_store.write(AccountId("quiet"), small))
    await asyncio.sleep(0)
    finish.set()
    assert await waiting == ["large", "small"]
    await asyncio.gather(first, *others)
    assert ran.count("large") == 6
    assert (sqlite_store.load().transactions, sqlite_store.load().commits) == (7, 7)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_write_that_arrives_while_another_runs_shares_its_commit(
    sqlite_store: SqliteStore, *, fails: bool
) -> None:
    """It does not wait for two commits. When the one that runs fails, it has the next commit for itself."""
    begun, finish = threading.Event(), threading.Event()
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def long(tx: Installation) -> bool:
        begun.set()
        finish.wait(10)
        added = tx.accounts.add(AccountId("long"), at)
        if fails:
            raise LookupError
        return added

    first = asyncio.create_task(sqlite_store.write_installation(long))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(sqlite_store.write_installation(lambda tx: tx.accounts.add(AccountId("short"), at)))
    await asyncio.sleep(0)
    finish.set()
    found = await asyncio.gather(first, second, return_exceptions=True)
    assert [isinstance(one, LookupError) for one in found] == [fails, False]
    stored = await sqlite_store.read_installation(lambda tx: tx.accounts.all())
    assert [account.account_id for account in stored] == (["short"] if fails else ["long", "short"])
    assert (sqlite_store.load().transactions, sqlite_store.load().commits) == (2, 2 if fails else 1)


async def test_the_log_shrinks_after_its_readers_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a reader needs the log it grows past its limit, and writers do not wait for the reader; a check after that
    cuts it, and the size is what the store says of itself."""
    monkeypatch.setattr(sqlite, "_WAL_BYTES", 100_000)
    monkeypatch.setattr(sqlite, "_COMMITS_BETWEEN_CHECKS", 4)
    path = tmp_path / "riskrelay.db"
    await work_on(f"sqlite:///{path}", path, upgrade)
    store = SqliteStore(path)
    at = datetime(2026, 1, 1, tzinfo=UTC)

    async def write(number: int) -> None:
        await store.write_installation(lambda tx: tx.accounts.add(AccountId(f"{number}-" + "x" * 30_000), at))

    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM accounts").fetchone()
        for number in range(7):
            await write(number)
        held = store.load().wal_bytes
        reader.execute("COMMIT")
    await write(7)  # is answered, then the log is cut
    await write(8)
    freed = store.load().wal_bytes
    await store.close()
    assert held is not None
    assert held > 200_000
    assert freed is not None
    assert freed < 100_000


async def test_a_log_in_ordinary_use_keeps_its_size(tmp_path: Path) -> None:
    """SQLite cuts it to what an automatic checkpoint lets it reach, so it never has to grow again."""
    engine = sqlite_engine(tmp_path / "a.db")
    with engine.connect() as connection:
        names = ("journal_size_limit", "page_size", "wal_autocheckpoint")
        limit, page_bytes, pages = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names)
    engine.dispose()
    assert limit == pages * page_bytes == 64 * 1_048_576


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a group"])
async def test_a_full_disk_inside_of_a_transaction_keeps_its_cause(tmp_path: Path, alone: bool) -> None:
    """SQLite undoes the whole group with its savepoints; the callers and health checks still hear of the disk."""
    path = tmp_path / "riskrelay.db"
    await work_on(f"sqlite:///{path}", path, upgrade)
    store = SqliteStore(path)
    await store.require_writable()
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def fill(tx: Installation) -> None:
        connection = tx._connection  # type: ignore[attr-defined]
        connection.exec_driver_sql("PRAGMA cache_size=1")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        tx.accounts.add(AccountId("x" * 500_000), at)

    works = [fill] if alone else [fill, lambda tx: tx.accounts.add(AccountId("other"), at)]
    results = await asyncio.gather(*map(store.write_installation, works), return_exceptions=True)
    assert isinstance(results[0], Unavailable)
    assert results[0].cause is UnavailableCause.DISK_FULL
    with pytest.raises(Unavailable) as refused:
        await store.require_writable()
    assert refused.value.cause is UnavailableCause.DISK_FULL
    await store.close()


async def test_the_connections_cache_a_bounded_part_of_the_file(sqlite_store: SqliteStore) -> None:
    """The writer caches 16 MiB and each of four readers 2 MiB, so a process keeps at most 24 MiB of its database."""
    everyone = threading.Barrier(4, timeout=60)

    def reading(tx: Installation) -> int:
        everyone.wait()  # each of the four threads reads
        return cache_kib(tx)

    readers = await asyncio.gather(*(sqlite_store.read_installation(reading) for _ in range(4)))
    writer = await sqlite_store.write_installation(cache_kib)
    assert (writer, sum(readers)) == (16_384, 8_192)


def cache_kib(tx: Installation) -> int:
    connection = cast(InstallationTransaction, tx)._connection
    return -int(connection.exec_driver_sql("PRAGMA cache_size").scalar_one())
