"""Cancelling what a lane has not delivered: nothing disappears, each event keeps a row that says why."""

from sqlalchemy import Connection, insert, literal, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.storage.tables import events, held_events, lanes


def cancel_lane(connection: Connection, key: LaneKey, cursor: int, reason: str) -> int:
    """Mark everything undelivered of one lane as cancelled.

    Args:
        cursor: the lane's, read under a lock.

    Returns: how many events that were. A worker that is pushing for this lane holds an older epoch now: what it
        settles touches no row, and its lease keeps nobody from the lane once it is sent again.
    """
    waiting = connection.execute(
        update(held_events)
        .where(
            held_events.c.account_id == key.account_id,
            held_events.c.stream_id == key.stream_id,
            held_events.c.lane == key.lane,
            held_events.c.state == DeliveryState.PENDING.value,
        )
        .values(state=DeliveryState.CANCELLED.value, reason=reason)
    )
    queued = select(
        events.c.account_id,
        events.c.stream_id,
        events.c.lane,
        events.c.seq,
        literal(DeliveryState.CANCELLED.value),
        literal(0),
        literal(0),
        literal(reason),
    ).where(
        events.c.account_id == key.account_id,
        events.c.stream_id == key.stream_id,
        events.c.lane == key.lane,
        events.c.seq > cursor,
    )
    names = [column.name for column in held_events.columns][: len(queued.selected_columns)]
    added = connection.execute(insert(held_events).from_select(names, queued))
    connection.execute(
        update(lanes)
        .where(lanes.c.account_id == key.account_id, lanes.c.stream_id == key.stream_id, lanes.c.lane == key.lane)
        .values(cursor=lanes.c.last_seq, epoch=lanes.c.epoch + 1, lease_until=0, due_at=None, stopped=True)
    )
    return waiting.rowcount + added.rowcount
