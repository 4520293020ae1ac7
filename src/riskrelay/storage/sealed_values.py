"""Every value that is sealed under the master key, wherever it is stored."""

from collections.abc import Iterator

from sqlalchemy import Connection, LargeBinary, inspect, select

from riskrelay.storage.tables import metadata

_COLUMNS = [
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, LargeBinary) and column.name.startswith("sealed_")
]


def sealed_values(connection: Connection) -> Iterator[bytes]:
    """Yield every sealed value of the database, which may have an older schema or none."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    for column in _COLUMNS:
        table = column.table.name
        if table in tables and column.name in {one["name"] for one in inspector.get_columns(table)}:
            yield from connection.execute(select(column).where(column.is_not(None))).scalars()


def holds_sealed_values(connection: Connection) -> bool:
    """Whether anything is sealed in the database: then only its own master key is of use."""
    return next(sealed_values(connection), None) is not None
