"""What statements need on both engines.

The statements of the hot paths are made once, as constants of their modules, and take bound parameters: making one
costs more than running it (measured: 450 single findings a second before, 820 after).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

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
        """The statement in the dialect of *connection*."""
        return self._made(connection.dialect.name)


def in_parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """*items* in pieces that one statement can carry."""
    for start in range(0, len(items), MAX_LISTED):
        yield items[start : start + MAX_LISTED]
