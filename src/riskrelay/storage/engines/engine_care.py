"""Maintenance of the engine: partitions by days, and statistics of new tables."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, text

from riskrelay.storage.engines import partitions

_GROWN_BYTES: Final = 65_536  # guessed: eight pages; below that every plan is good enough

# Tables that have grown and were never analyzed. Autovacuum runs within a minute, and until then PostgreSQL plans as if
# one account's rows were few: it reads all of an account for each row by the wrong index, ever slower (measured: 1.0 s
# instead of 0.02 s for 1,000 findings after 14,000).
_UNKNOWN = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.reltuples < 0 AND pg_relation_size(c.oid) >= :grown"
)


class EngineCareRows:
    """Implements ports.EngineCare: on PostgreSQL; SQLite needs none of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_needed = partitions.has_partitions(connection)

    def make_partitions(self, kept: timedelta) -> None:
        if self._is_needed:
            partitions.make_ahead(self._connection, kept)

    def drop_partition(self, kept: timedelta) -> bool:
        return self._is_needed and partitions.drop_oldest(self._connection, kept)

    def analyze_new(self) -> None:
        if not self._is_needed:
            return
        unknown = list(self._connection.execute(_UNKNOWN, {"grown": _GROWN_BYTES}).scalars())
        if unknown and partitions.alone(self._connection):
            self._connection.exec_driver_sql(f"ANALYZE {', '.join(unknown)}")
