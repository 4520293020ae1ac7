"""PostgreSQL: the partitions of events and attempts, each a span of time that is dropped whole when it is over.

What fits into none goes to the rest (`…_other`), so that nothing is ever refused because nobody made room. Everything
here is a short transaction that takes its locks at once or not at all: it never makes delivery wait.
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
_TURN = 7_412_034  # one transaction at a time turns them; the number says only that it is this
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
    """Whether this engine has them."""
    return connection.dialect.name == "postgresql"


def spans(connection: Connection, parent: str) -> list[Span]:
    """The partitions of *parent*, the oldest first; without the rest."""
    found = []
    for table, bounds in connection.execute(_FIND, {"parent": parent}):
        matched = _BOUNDS.search(bounds)
        if matched is not None:
            found.append(Span(table, int(matched[1]), int(matched[2])))
    return sorted(found, key=lambda span: span.begins)


def width(kept: timedelta) -> timedelta:
    """How much time a partition spans: the longer rows are kept, the more."""
    return max(-(-kept // (_MOST * _DAY)), 1) * _DAY


def make_ahead(connection: Connection, kept: timedelta) -> None:
    """Make the partitions of the days to come; rows are kept for *kept*."""
    if not _missing(connection, kept) or not alone(connection):
        return
    for parent, span in _missing(connection, kept):  # asked again: somebody may just have made them
        if not _rest_has(connection, parent, span):
            connection.exec_driver_sql(
                f"CREATE TABLE {span.table} PARTITION OF {parent} FOR VALUES FROM ({span.begins}) TO ({span.ends})"
            )


def drop_oldest(connection: Connection, kept: timedelta) -> bool:
    """Drop the oldest partition of events that is over and all settled, and all of attempts that are over. The lanes go
    on counting what is gone.

    Args:
        kept: how long after its end a partition is kept.

    Returns: whether events were dropped: there may be more.
    """
    if not any(_over(connection, kept).values()) or not alone(connection):
        return False
    over = _over(connection, kept)  # asked again: somebody may just have dropped them
    settled = [span for span in over["events"] if not _has_pending(connection, span.table)]
    for span in over["attempts"]:
        connection.exec_driver_sql(f"DROP TABLE {span.table}")
    if not settled:
        return False
    connection.exec_driver_sql("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
    if _has_pending(connection, settled[0].table):  # somebody replays it
        return False
    connection.exec_driver_sql(_COUNT_AND_FORGET.format(table=settled[0].table))
    connection.exec_driver_sql(f"DROP TABLE {settled[0].table}")
    return True


def _missing(connection: Connection, kept: timedelta) -> list[tuple[str, Span]]:
    """What must be made, and of which table, so that today and the days ahead are covered without a gap."""
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
    """By table, the partitions that ended longer ago than *kept*."""
    before = cutoff(connection, kept)
    return {parent: [span for span in spans(connection, parent) if span.ends < before] for parent in _TIMES}


def alone(connection: Connection) -> bool:
    """Take the right to turn partitions until the end of the transaction; whoever finds it taken leaves it."""
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
_COUNT_AND_FORGET = (
    f"WITH gone AS (DELETE FROM held_events h USING {{table}} e WHERE {_IS_HELD} "
    "RETURNING h.account_id, h.stream_id, h.lane, h.state), "
    "counted AS (SELECT account_id, stream_id, lane, count(*) FILTER (WHERE state = 'dead') AS dead, "
    "count(*) FILTER (WHERE state = 'expired') AS expired, "
    "count(*) FILTER (WHERE state = 'cancelled') AS cancelled FROM gone GROUP BY account_id, stream_id, lane) "
    "UPDATE lanes l SET purged_dead = purged_dead + e.dead, purged_expired = purged_expired + e.expired, "
    f"purged_cancelled = purged_cancelled + e.cancelled FROM counted e WHERE {_IN_LANE}"
)


def _has_pending(connection: Connection, table: str) -> bool:
    """Whether something in it is still to be delivered, such as what was replayed; then it stays."""
    return any(
        connection.exec_driver_sql(query.format(table=table)).first() is not None for query in (_ABOVE_CURSOR, _HELD)
    )
