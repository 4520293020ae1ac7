"""Helpers for statements on both engines.

The statements of the hot paths are built once, as constants of their modules, and take bound parameters. Building a
statement costs more than running it (measured: 450 single findings a second before, 820 after).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TypeVar

from sqlalchemy import Connection, Dialect, Executable, Table, bindparam, insert
from sqlalchemy.dialects import postgresql, sqlite

from riskrelay.storage.prepared import execute

T = TypeVar("T")

# On SQLite the driver gives up the GIL for each run of a statement and has to get it back from a busy event loop.
# Measured: 10,000 events a second, accepted and delivered, with one row a run, 11,900 with 64. A part of
# a large request has 100 rows; the smaller numbers take the rows that are left.
_ROWS_AT_ONCE = (100, 64, 16, 4)
# On PostgreSQL each run is executed and encoded by itself. Measured: 100 rows of activity in 6.6 ms run by run.
_RUNS_AT_MOST = 8

Insert = sqlite.Insert | postgresql.Insert

MAX_LISTED = 5_000  # SQLite takes 32,766 parameters and asyncpg 32,767; rows of up to six columns stay below


class PerEngine:
    """A statement that starts with an INSERT … ON CONFLICT, which each engine has in its own dialect.

    Args:
        table: into which is inserted.
        finish: makes the statement from the bare INSERT.
    """

    def __init__(self, table: Table, finish: Callable[[Insert], Executable]) -> None:
        self._made = cache(lambda engine: finish((sqlite if engine == "sqlite" else postgresql).insert(table)))

    def on(self, connection: Connection) -> Executable:
        """Return the statement in the dialect of *connection*."""
        return self._made(connection.dialect.name)


class BulkInsert:
    """A plain INSERT of many rows by the driver, without SQLAlchemy's work for each row.

    Measured with the other changes of that day: 69 ms of CPU for a thousand findings before, 45 after.

    An existing row is a conflict, and the whole transaction runs again.

    Args:
        table: the table of the rows.
        columns: the columns in the order of a row's values. The other columns get their SQL defaults.
    """

    def __init__(self, table: Table, *columns: str) -> None:
        statement = insert(table).values({name: bindparam(name) for name in columns})
        self._sql = cache(lambda dialect: str(statement.compile(dialect=dialect)))
        row = f"({', '.join('?' * len(columns))})"
        into = f"INSERT INTO {table.name} ({', '.join(columns)})"
        self._wide = {count: f"{into} VALUES " + ", ".join([row] * count) for count in _ROWS_AT_ONCE}
        self._at_once = cache(lambda dialect: f"{into} SELECT * FROM unnest({_lists(table, columns, dialect)})")  # noqa: S608  constant names
        self._places = [columns.index(column.name) for column in table.columns if column.name in columns]
        if self._places != sorted(self._places):
            raise ValueError("name the columns in the order of the table")

    def run(self, connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert *rows*: values as the driver takes them, so times are integers (`times.number_of`)."""
        if connection.dialect.name == "sqlite":
            self._run_on_sqlite(connection, rows)
        elif len(rows) > _RUNS_AT_MOST:
            connection.exec_driver_sql(self._at_once(connection.dialect), tuple(map(list, zip(*rows, strict=True))))
        elif rows:
            connection.exec_driver_sql(self._sql(connection.dialect), list(rows))

    def _run_on_sqlite(self, connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
        for count in _ROWS_AT_ONCE:
            whole = len(rows) - len(rows) % count
            if whole:
                wide = [tuple(chain.from_iterable(rows[start : start + count])) for start in range(0, whole, count)]
                execute(connection, self._wide[count], wide, is_many=True)
                rows = rows[whole:]
        if rows:
            execute(connection, self._sql(connection.dialect), rows, is_many=True)


def _lists(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    """Return the parameters for lists of the columns' values, with their types."""
    types = [table.columns[name].type.compile(dialect=dialect).partition(" COLLATE ")[0] for name in columns]
    return ", ".join(f"${number}::{name}[]" for number, name in enumerate(types, 1))


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """*items* in pieces that one statement can carry."""
    for start in range(0, len(items), MAX_LISTED):
        yield items[start : start + MAX_LISTED]
