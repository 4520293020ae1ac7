"""Writing rows by the million: SQLite in one transaction without waiting for the disk, PostgreSQL by COPY."""

import sqlite3
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import asyncpg
from sqlalchemy import Table

Row = Sequence[Any]

DAY_US = 86_400_000_000


class Bulk(Protocol):
    """A connection that rows are poured into; what was written stays when it is closed."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def make_room(self, begins: int, ends: int) -> None:
        """Make the partitions that rows of the log between two moments belong into, where the engine has them."""
        ...

    async def insert(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Add *rows* of values as the database has them: times are integers."""
        ...

    async def select(self, statement: str) -> Sequence[Row]:
        """The rows of a query that both engines understand."""
        ...

    async def update(self, statement: str) -> None:
        """Run a statement that both engines understand."""
        ...


def open_bulk(database_url: str) -> Bulk:
    """A connection to the database of *database_url*, which nobody else uses meanwhile."""
    if database_url.startswith("sqlite:///"):
        return SqliteBulk(database_url.removeprefix("sqlite:///"))
    return PostgresBulk(database_url)


class SqliteBulk:
    """Implements Bulk on a SQLite file."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    async def __aenter__(self) -> Self:
        for pragma in ("synchronous=OFF", "foreign_keys=OFF", "cache_size=-262144"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    async def make_room(self, begins: int, ends: int) -> None:
        pass

    async def insert(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        places = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})", rows)

    async def select(self, statement: str) -> Sequence[Row]:
        return self._connection.execute(statement).fetchall()

    async def update(self, statement: str) -> None:
        self._connection.execute(statement)


class PostgresBulk:
    """Implements Bulk on PostgreSQL. Its user must be a superuser: foreign keys are not looked at."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute("SET session_replication_role = replica")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.execute("VACUUM ANALYZE")  # what autovacuum would have done by and by
        await self._connection.close()

    async def make_room(self, begins: int, ends: int) -> None:
        for day in range(begins // DAY_US, ends // DAY_US + 1):
            for parent in ("events", "attempts"):  # named and bounded as the service's own (storage/partitions.py)
                if await self._connection.fetchval("SELECT to_regclass($1)", f"{parent}_{day}") is None:
                    await self._connection.execute(
                        f"CREATE TABLE {parent}_{day} PARTITION OF {parent} "
                        f"FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
                    )

    async def insert(self, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
        await self._connection.copy_records_to_table(table.name, records=rows, columns=columns)

    async def select(self, statement: str) -> Sequence[Row]:
        found: list[Row] = await self._connection.fetch(statement)
        return found

    async def update(self, statement: str) -> None:
        await self._connection.execute(statement)
