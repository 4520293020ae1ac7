"""The ledgers of streams, counted without touching the log of events: lanes, and the rows of the exceptions."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Table,
    and_,
    func,
    select,
    true,
    type_coerce,
    union_all,
)

from riskrelay.delivery.attempts import DeliveryState, Ledger
from riskrelay.integrations import AccountId
from riskrelay.storage.deliveries import EVENT_KEY
from riskrelay.storage.tables import events, held_events, lanes
from riskrelay.storage.times import database_now, later_of


def count_ledgers(
    connection: Connection, account_id: AccountId | None = None, only: ColumnElement[bool] | None = None
) -> list[Ledger]:
    """The ledger of every stream, or of one account's.

    Args:
        only: a condition on `lanes`; None: all of them. The other tables follow the account alone.
    """
    held = _held(connection, account_id)
    oldest = _oldest_pending(connection, account_id)
    query = (
        select(
            lanes.c.stream_id,
            func.sum(lanes.c.last_seq).label("queued"),
            func.sum(lanes.c.delivered).label("delivered"),
            func.sum(lanes.c.last_seq - lanes.c.cursor).label("above_cursor"),
            func.sum(lanes.c.purged_dead).label("purged_dead"),
            func.sum(lanes.c.purged_expired).label("purged_expired"),
            func.sum(lanes.c.purged_cancelled).label("purged_cancelled"),
        )
        .where(_of(lanes, account_id), true() if only is None else only)
        .group_by(lanes.c.stream_id)
    )
    return [_ledger(row, held, oldest) for row in connection.execute(query)]


def _ledger(
    row: Row[*tuple[Any, ...]],
    held: dict[tuple[str, str], int],
    oldest: dict[str, timedelta],
) -> Ledger:
    def of(state: DeliveryState) -> int:
        return held.get((row.stream_id, state.value), 0)

    return Ledger(
        row.stream_id,
        int(row.queued),
        int(row.delivered),
        int(row.above_cursor) + of(DeliveryState.PENDING),
        int(row.purged_dead) + of(DeliveryState.DEAD),
        int(row.purged_expired) + of(DeliveryState.EXPIRED),
        int(row.purged_cancelled) + of(DeliveryState.CANCELLED),
        oldest.get(row.stream_id),
    )


def _of(table: Table, account_id: AccountId | None) -> ColumnElement[bool]:
    return true() if account_id is None else table.c.account_id == account_id


def _held(connection: Connection, account_id: AccountId | None) -> dict[tuple[str, str], int]:
    query = (
        select(held_events.c.stream_id, held_events.c.state, func.count())
        .where(_of(held_events, account_id))
        .group_by(held_events.c.stream_id, held_events.c.state)
    )
    return {(stream_id, state): count for stream_id, state, count in connection.execute(query)}


def _oldest_pending(connection: Connection, account_id: AccountId | None) -> dict[str, timedelta]:
    """How long the oldest undelivered event of each stream has waited: the first above a cursor, or a held one; since
    it was replayed, if it was."""
    queued_at: ColumnElement[int] = type_coerce(events.c.queued_at, BigInteger)
    in_lane = and_(*(events.c[name] == lanes.c[name] for name in EVENT_KEY[:3]))
    next_one = (
        select(events.c.stream_id, queued_at.label("since"))
        .select_from(lanes.join(events, in_lane & (events.c.seq == lanes.c.cursor + 1)))
        .where(lanes.c.last_seq > lanes.c.cursor, _of(lanes, account_id))
    )
    is_event = and_(*(events.c[name] == held_events.c[name] for name in EVENT_KEY))
    held = (
        select(events.c.stream_id, later_of(queued_at, held_events.c.replayed_at).label("since"))
        .select_from(held_events.join(events, is_event))
        .where(held_events.c.state == DeliveryState.PENDING.value, _of(held_events, account_id))
    )
    pending: FromClause = union_all(next_one, held).subquery()
    query = select(pending.c.stream_id, database_now() - func.min(pending.c.since)).group_by(pending.c.stream_id)
    return {stream_id: timedelta(microseconds=max(age, 0)) for stream_id, age in connection.execute(query)}
