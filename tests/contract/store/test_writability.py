"""Whether a store takes writes, and what it says when it does not, on both engines (row 26)."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.ports import Installation, Store
from riskrelay.storage.engines import sqlite as sqlite_store_module
from riskrelay.storage.engines import writability
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.engines.writability import Writability
from support.databases import PostgresServer


async def refusal(store: Store, *, thorough: bool = False) -> UnavailableCause | None:
    """Why the store takes no writes; None when it does."""
    try:
        await store.require_writable(thorough=thorough)
    except Unavailable as error:
        return error.cause
    return None


@pytest.fixture
async def shared(postgres: PostgresServer) -> AsyncIterator[tuple[str, Store]]:
    """A store on PostgreSQL, with its URL."""
    url = await postgres.migrated_database()
    store = PostgresStore(url)
    yield url, store
    await store.close()


@pytest.mark.parametrize("thorough", [False, True])
async def test_a_store_that_takes_writes(store: Store, thorough: bool) -> None:
    """Nothing is refused, and nothing is left of the question."""
    before = await store.read_installation(lambda tx: tx.survey().ledgers)
    assert [await refusal(store, thorough=thorough) for _ in range(3)] == [None, None, None]
    assert await store.read_installation(lambda tx: tx.survey().ledgers) == before


async def test_another_programs_lock_on_the_file(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A health check does not wait as long as a transaction would; it goes on by itself."""
    monkeypatch.setattr(sqlite_store_module, "_PROBE_SECONDS", 0.1)
    with closing(sqlite3.connect(tmp_path / "riskrelay.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await refusal(sqlite_store) is UnavailableCause.LOCKED
    assert await refusal(sqlite_store, thorough=True) is None


async def test_a_database_that_turns_read_only(shared: tuple[str, Store]) -> None:
    """As after a fail-over, or when an operator's guard of the disk closes it; it goes on when it is writable again."""
    url, store = shared
    assert await refusal(store) is None
    name = url.split("/")[3].split("?")[0]
    guard = await asyncpg.connect(url)
    await guard.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    await guard.fetch(others, name)
    assert await refusal(store, thorough=True) is UnavailableCause.READ_ONLY
    await guard.execute("SET default_transaction_read_only = off")
    await guard.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await guard.fetch(others, name)
    await guard.close()
    assert await refusal(store, thorough=True) is None


async def test_a_disk_that_is_full_on_the_other_machine(
    shared: tuple[str, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's SQLSTATE reaches the caller. Health remembers it for a moment, and then checks for free space."""
    _, store = shared

    def fill(tx: Installation) -> None:
        connection = tx._connection  # type: ignore[attr-defined]
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$")

    with pytest.raises(Unavailable) as refused:
        await store.write_installation(fill)
    assert refused.value.cause is UnavailableCause.DISK_FULL
    assert await refusal(store) is UnavailableCause.DISK_FULL
    monkeypatch.setattr(writability, "_FULL_FOR_SECONDS", 0)
    assert await refusal(store) is None


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (b"57P03", UnavailableCause.STARTING),
        (b"53300", UnavailableCause.BUSY),
        (b"28P01", UnavailableCause.UNREACHABLE),
        (b"3D000", UnavailableCause.UNREACHABLE),
    ],
)
async def test_a_server_that_refuses_the_connection(code: bytes, cause: UnavailableCause) -> None:
    """A server that recovers, has no free connection, or does not know the user or the database is Unavailable."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (length := int.from_bytes(await reader.readexactly(4))) == 8:  # asks for TLS first
            await reader.readexactly(4)
            writer.write(b"N")
        await reader.readexactly(length - 4)
        fields = b"SFATAL\x00VFATAL\x00C" + code + b"\x00Mrefused\x00\x00"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = PostgresStore(f"postgresql://user:secret@127.0.0.1:{port}/riskrelay")
    try:
        assert await refusal(store) is cause
        with pytest.raises(Unavailable) as refused:
            await store.read_installation(lambda tx: tx.keys.all())
        assert refused.value.cause is cause
    finally:
        await store.close()
        server.close()


async def test_a_server_that_is_not_there() -> None:
    """Its cause is the way to it."""
    store = PostgresStore("postgresql://127.0.0.1:1/riskrelay")
    assert await refusal(store) is UnavailableCause.UNREACHABLE
    await store.close()


async def test_health_checks_that_come_together_share_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, the database is asked a few times a second; after a refused transaction it is asked
    again, and after a full disk for room."""
    asked: list[bool] = []

    async def ask(needs_room: bool) -> UnavailableCause | None:
        asked.append(needs_room)
        await asyncio.sleep(0)
        return None

    monkeypatch.setattr(writability, "_ASK_SECONDS", 60)
    known = Writability(ask)
    await asyncio.gather(*(known.require(thorough=False) for _ in range(100)))
    assert asked == [False]
    known.refused(UnavailableCause.LOCKED)
    await known.require(thorough=False)
    await known.require(thorough=False)
    assert asked == [False, False]
    known.refused(UnavailableCause.DISK_FULL)
    with pytest.raises(Unavailable):
        await known.require(thorough=False)
    assert asked == [False, False]
    monkeypatch.setattr(writability, "_FULL_FOR_SECONDS", 0)
    await known.require(thorough=False)
    await known.require(thorough=True)
    assert asked == [False, False, True, True]
