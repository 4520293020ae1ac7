"""Count the ledgers of streams from the lanes and held events, without reading the log of events."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Subquery,
    Table,
    and_,
    func,
    select,
    true,
    type_coerce,
    union_all,
)

from riskrelay.core.delivery.attempts import DeliveryState, Ledger
from riskrelay.core.integrations import AccountId
from riskrelay.storage.delivery.deliveries import EVENT_KEY
from riskrelay.storage.tables import IS_CLOSED, IS_DEAD, IS_PENDING, events, held_events, lanes
from riskrelay.storage.times import database_now, later_of

_Wanted = Callable[[Table], ColumnElement[bool]]
"""Makes the condition for the rows of a table that belong to the streams that are counted."""

# Delivered events have no rows, and superseded ones are counted in their lanes.
_HELD_STATES = tuple(set(DeliveryState) - {DeliveryState.DELIVERED, DeliveryState.SUPERSEDED})


def count_ledgers(
    connection: Connection, account_id: AccountId | None = None, stream_ids: Select[tuple[str]] | None = None
) -> list[Ledger]:
    """Return the ledger of each stream of one account, or of all accounts.

    Args:
        stream_ids: the streams to count, of that account; None: all.
    """

    def wanted(table: Table) -> ColumnElement[bool]:
        mine = true() if account_id is None else table.c.account_id == account_id
        return mine if stream_ids is None else mine & table.c.stream_id.in_(stream_ids)

    oldest = _oldest_pending(connection, wanted)
    held = _held(wanted)
    query = (
        select(
            lanes.c.stream_id,
            func.sum(lanes.c.last_seq).label("queued"),
            func.sum(lanes.c.delivered).label("delivered"),
            func.sum(lanes.c.last_seq - lanes.c.cursor).label("above_cursor"),
            func.sum(lanes.c.purged_dead).label("purged_dead"),
            func.sum(lanes.c.purged_expired).label("purged_expired"),
            func.sum(lanes.c.purged_cancelled).label("purged_cancelled"),
            func.sum(lanes.c.purged_erased).label("purged_erased"),
            func.sum(lanes.c.superseded).label("superseded"),
            # A subquery, not a second statement: lanes and held events are counted in the same snapshot. One row per
            # stream.
            *(func.coalesce(func.max(held.c[state.value]), 0).label(state.value) for state in _HELD_STATES),
        )
        .select_from(lanes.outerjoin(held, held.c.stream_id == lanes.c.stream_id))
        .where(wanted(lanes))
        .group_by(lanes.c.stream_id)
    )
    return [_ledger(row, oldest) for row in connection.execute(query)]


def _ledger(row: Row[*tuple[Any, ...]], oldest: dict[str, timedelta]) -> Ledger:
    return Ledger(
        stream_id=row.stream_id,
        queued=int(row.queued),
        delivered=int(row.delivered),
        pending=int(row.above_cursor) + int(row.pending),
        dead=int(row.purged_dead) + int(row.dead),
        expired=int(row.purged_expired) + int(row.expired),
        cancelled=int(row.purged_cancelled) + int(row.cancelled),
        erased=int(row.purged_erased) + int(row.erased),
        superseded=int(row.superseded),
        oldest_pending=oldest.get(row.stream_id),
    )


def _held(wanted: _Wanted) -> Subquery:
    """Return the number of held events of each stream in each state, without reading the rows of superseded ones."""
    of_stream = (held_events.c.account_id, held_events.c.stream_id, held_events.c.state)
    parts = [
        # Each has an index. In the order of its columns, so that SQLite needs no sorting.
        select(held_events.c.stream_id, held_events.c.state, func.count().label("rows"))
        .where(is_one, wanted(held_events))
        .group_by(*of_stream)
        for is_one in (IS_PENDING, IS_DEAD, IS_CLOSED)
    ]
    part = union_all(*parts).subquery()
    counts = (func.sum(part.c.rows).filter(part.c.state == state.value).label(state.value) for state in _HELD_STATES)
    return select(part.c.stream_id, *counts).group_by(part.c.stream_id).subquery()


def _oldest_pending(connection: Connection, wanted: _Wanted) -> dict[str, timedelta]:
    """Return how long the oldest undelivered event of each stream has waited.

    This is the first event above a cursor, or a held event. A replayed event waits since its replay.
    """
    queued_at: ColumnElement[int] = type_coerce(events.c.queued_at, BigInteger)
    in_lane = and_(*(events.c[name] == lanes.c[name] for name in EVENT_KEY[:3]))
    next_one = (
        select(events.c.stream_id, queued_at.label("since"))
        .select_from(lanes.join(events, in_lane & (events.c.seq == lanes.c.cursor + 1)))
        .where(lanes.c.last_seq > lanes.c.cursor, wanted(lanes))
    )
    is_event = and_(*(events.c[name] == held_events.c[name] for name in EVENT_KEY))
    held = (
        select(events.c.stream_id, later_of(queued_at, held_events.c.replayed_at).label("since"))
        .select_from(held_events.join(events, is_event))
        .where(IS_PENDING, wanted(held_events))
    )
    pending: FromClause = union_all(next_one, held).subquery()
    query = select(pending.c.stream_id, database_now() - func.min(pending.c.since)).group_by(pending.c.stream_id)
    return {stream_id: timedelta(microseconds=max(age, 0)) for stream_id, age in connection.execute(query)}
