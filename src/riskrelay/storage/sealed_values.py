"""Every value that is sealed under the master key, wherever it is stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, Select, inspect, select, tuple_, update

from riskrelay.core.errors import Misconfigured
from riskrelay.core.keys import sealed_row
from riskrelay.storage.tables import metadata

_BATCH = 200  # guessed: a write of a few milliseconds, so that the service can continue in between

_COLUMNS: list[Column[bytes]] = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, LargeBinary) and column.name.startswith("sealed_")
]


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A value as it is stored.

    Attributes:
        row: the name of its row, under which it is sealed.
    """

    row: str
    value: bytes


@dataclass(frozen=True, slots=True)
class ResealedBatch:
    """The result of a batch of sealed values.

    Attributes:
        resealed: the number of values that were sealed again.
        unopened: the names of the rows whose values no key opens. These are not changed.
        place: where the next batch begins; None: this was the last one.
    """

    resealed: int
    unopened: list[str]
    place: tuple[int, tuple[str, ...]] | None


def sealed_values(connection: Connection) -> Iterator[SealedValue]:
    """Yield every sealed value of the database, which may have an older schema or none."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    for column in _COLUMNS:
        table = column.table.name
        if table in tables and column.name in {one["name"] for one in inspector.get_columns(table)}:
            for row in connection.execute(_of(column)):
                yield SealedValue(sealed_row(table, *row[1:]), row[0])


def holds_sealed_values(connection: Connection) -> bool:
    """Return whether the database has sealed values, so that it needs its own master key."""
    return next(sealed_values(connection), None) is not None


def reseal_batch(
    connection: Connection,
    resealed: Callable[[bytes, str], bytes | None],
    place: tuple[int, tuple[str, ...]] = (0, ()),
) -> ResealedBatch:
    """Seal the next values again. A value is replaced only if it is unchanged since it was read.

    Args:
        resealed: seals a value of the named row again; None: the value may be kept. Raises Misconfigured: it cannot be
            opened.
        place: where to begin: a column, and the key of the last finished row.
    """
    number, after = place
    column = _COLUMNS[number]
    keys = _keys(column)
    query = _of(column).order_by(*keys).limit(_BATCH)
    rows = connection.execute(query.where(tuple_(*keys) > tuple_(*after)) if after else query).all()
    count, unopened = 0, list[str]()
    for value, *key in map(tuple, rows):
        name = sealed_row(column.table.name, *key)
        try:
            new = resealed(value, name)
        except Misconfigured:
            unopened.append(name)
            continue
        if new is not None:
            same = [one == part for one, part in zip(keys, key, strict=True)]
            count += connection.execute(
                update(column.table).where(*same, column == value).values({column: new})
            ).rowcount
    if len(rows) == _BATCH:
        return ResealedBatch(count, unopened, (number, tuple(rows[-1][1:])))
    return ResealedBatch(count, unopened, (number + 1, ()) if number + 1 < len(_COLUMNS) else None)


def _keys(column: Column[bytes]) -> list[Column[str]]:
    return list(column.table.primary_key.columns)


def _of(column: Column[bytes]) -> Select[*tuple[Any, ...]]:
    return select(column, *_keys(column)).where(column.is_not(None))
