"""The two statements that the engines spell differently, and how long a list one statement may carry."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

MAX_LISTED = 5_000  # SQLite takes 32,766 parameters and asyncpg 32,767; rows of up to six columns stay below


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say ON CONFLICT, in the dialect of *connection*."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """*items* in pieces that one statement can carry."""
    for start in range(0, len(items), MAX_LISTED):
        yield items[start : start + MAX_LISTED]
