"""Times in the database: integers, microseconds since 1970 UTC, because both engines compare and index those alike."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, TypeDecorator, case
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(duration: timedelta) -> int:
    """Return a duration in the unit of the time columns."""
    return duration // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """Return a value of a time column, such as the database's clock, as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=microseconds)


@lru_cache(maxsize=256)  # the rows of a batch have the same few times; the subtraction costs five times as much
def number_of(at: datetime | None) -> int | None:
    """Return a time as a value of a time column; None stays None."""
    return None if at is None else (at - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Into the database."""
        return number_of(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Out of the database."""
        return None if value is None else moment(value)


class database_now(GenericFunction[int]):  # noqa: N801  named like the SQL function that it compiles to
    """The database's own clock, in microseconds: the only clock that leases and waits are measured with."""

    type = BigInteger()
    inherit_cache = True


@compiles(database_now, "sqlite")
def _now_sqlite(element: Any, compiler: Any, **kwargs: Any) -> str:
    # julianday resolves to milliseconds; unixepoch('subsec') needs SQLite 3.42, Debian 12 has 3.40.
    return "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)"


@compiles(database_now, "postgresql")
def _now_postgresql(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


def later_of(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    """Build the greater of two times, which is `greatest` or `max`, depending on the engine."""
    return case((one > other, one), else_=other)
