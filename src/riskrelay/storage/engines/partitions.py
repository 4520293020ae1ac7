"""PostgreSQL: the partitions of events and attempts. Each is a span of time that is dropped as a whole.

Rows outside all spans go to the default partition (`…_other`), so that no row is refused. All transactions here are
short, and take their locks at once or not at all, so that they never block delivery.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, select, text

from riskrelay.storage.delivery.clock import cutoff
from riskrelay.storage.times import database_now, micros

_TIMES: Final = {"events": "queued_at", "attempts": "started_at"}
_DAY = timedelta(days=1)
_AHEAD = timedelta(days=3)  # guessed: a weekend without any node that does chores
_MOST: Final = 20  # spans that a table is kept for: measured, a read of a lane pays 3 µs for each (ADR 0014)
_LOCK_TIMEOUT = "100ms"
_TURN = 7_412_034  # an advisory lock, so that one transaction at a time changes partitions; the number is arbitrary
_BOUNDS = re.compile(r"FROM \('(-?\d+)'\) TO \('(-?\d+)'\)")

_FIND = text(
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = CAST(:parent AS regclass)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A partition: its table, and from when to when, in microseconds; the end is not in it."""

    table: str
    begins: int
    ends: int


def has_partitions(connection: Connection) -> bool:
    """Return whether this engine has partitions."""
    return connection.dialect.name == "postgresql"


def spans(connection: Connection, parent: str) -> list[Span]:
    """Return the partitions of *parent*, the oldest first, without the default partition."""
    found = []
    for table, bounds in connection.execute(_FIND, {"parent": parent}):
        matched = _BOUNDS.search(bounds)
        if matched is not None:
            found.append(Span(table, int(matched[1]), int(matched[2])))
    return sorted(found, key=lambda span: span.begins)


def width(kept: timedelta) -> timedelta:
    """Return the span of a partition. It grows with the retention."""
    return max(-(-kept // (_MOST * _DAY)), 1) * _DAY


def make_ahead(connection: Connection, kept: timedelta) -> None:
    """Create the partitions of the next days. Rows are kept for *kept*."""
    if not _missing(connection, kept) or not alone(connection):
        return
    # checked again under the lock: another process may have created them
    for parent, span in _missing(connection, kept):
        if not _rest_has(connection, parent, span):
            connection.exec_driver_sql(
                f"CREATE TABLE {span.table} PARTITION OF {parent} FOR VALUES FROM ({span.begins}) TO ({span.ends})"
            )


def drop_oldest(connection: Connection, kept: timedelta) -> bool:
    """Drop the oldest ended partition of events without pending events, and all ended partitions of attempts.

    The lanes still count the dropped events.

    Args:
        kept: how long after its end a partition is kept.

    Returns: whether events were dropped, so that more may be left.
    """
    if not any(_over(connection, kept).values()) or not alone(connection):
        return False
    over = _over(connection, kept)  # checked again under the lock: another process may have dropped them
    settled = [span for span in over["events"] if not _has_pending(connection, span.table)]
    for span in over["attempts"]:
        connection.exec_driver_sql(f"DROP TABLE {span.table}")
    if not settled:
        return False
    connection.exec_driver_sql("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
    if _has_pending(connection, settled[0].table):  # a replay has put events of it back
        return False
    connection.exec_driver_sql(_COUNT_AND_DELETE.format(table=settled[0].table))
    connection.exec_driver_sql(f"DROP TABLE {settled[0].table}")
    return True


def _missing(connection: Connection, kept: timedelta) -> list[tuple[str, Span]]:
    """Return the missing partitions of each table, so that today and the next days are covered without a gap."""
    now = connection.execute(select(database_now())).scalar_one()
    ahead, wide = now + micros(_AHEAD), micros(width(kept))
    missing = []
    for parent in _TIMES:
        begins = max([now - now % micros(_DAY), *(span.ends for span in spans(connection, parent))])
        while begins < ahead:
            missing.append((parent, Span(f"{parent}_{begins // micros(_DAY)}", begins, begins + wide)))
            begins += wide
    return missing


def _over(connection: Connection, kept: timedelta) -> dict[str, list[Span]]:
    """Return the partitions that ended longer ago than *kept*, by table."""
    before = cutoff(connection, kept)
    return {parent: [span for span in spans(connection, parent) if span.ends < before] for parent in _TIMES}


def alone(connection: Connection) -> bool:
    """Take the advisory lock for partitions until the end of the transaction, without waiting.

    Return whether it was free.
    """
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    taken: bool = connection.execute(text("SELECT pg_try_advisory_xact_lock(:turn)"), {"turn": _TURN}).scalar_one()
    return taken


def _rest_has(connection: Connection, parent: str, span: Span) -> bool:
    query = f"SELECT 1 FROM {parent}_other WHERE {_TIMES[parent]} >= :begins AND {_TIMES[parent]} < :ends LIMIT 1"
    return connection.execute(text(query), {"begins": span.begins, "ends": span.ends}).first() is not None


_IN_LANE = "e.account_id = l.account_id AND e.stream_id = l.stream_id AND e.lane = l.lane"
_IS_HELD = "h.account_id = e.account_id AND h.stream_id = e.stream_id AND h.lane = e.lane AND h.seq = e.seq"
_ABOVE_CURSOR = (
    f"SELECT 1 FROM lanes l WHERE EXISTS (SELECT 1 FROM {{table}} e WHERE {_IN_LANE} AND e.seq > l.cursor) LIMIT 1"
)
_HELD = f"SELECT 1 FROM held_events h JOIN {{table}} e ON {_IS_HELD} WHERE h.state = 'pending' LIMIT 1"
_COUNT_AND_DELETE = (
    f"WITH gone AS (DELETE FROM held_events h USING {{table}} e WHERE {_IS_HELD} "
    "RETURNING h.account_id, h.stream_id, h.lane, h.state), "
    "counted AS (SELECT account_id, stream_id, lane, count(*) FILTER (WHERE state = 'dead') AS dead, "
    "count(*) FILTER (WHERE state = 'expired') AS expired, "
    "count(*) FILTER (WHERE state = 'cancelled') AS cancelled, "
    "count(*) FILTER (WHERE state = 'erased') AS erased FROM gone GROUP BY account_id, stream_id, lane) "
    "UPDATE lanes l SET purged_dead = purged_dead + e.dead, purged_expired = purged_expired + e.expired, "
    "purged_cancelled = purged_cancelled + e.cancelled, purged_erased = purged_erased + e.erased "
    f"FROM counted e WHERE {_IN_LANE}"
)


def _has_pending(connection: Connection, table: str) -> bool:
    """Return whether the partition has pending events, such as replayed ones. If so, it is kept."""
    return any(
        connection.exec_driver_sql(query.format(table=table)).first() is not None for query in (_ABOVE_CURSOR, _HELD)
    )
