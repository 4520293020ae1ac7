"""Cancel the undelivered events of a lane. Each event keeps a row with the reason."""

from sqlalchemy import Connection, insert, literal, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.storage.tables import IS_PENDING, events, held_events, lanes


def cancel_lane(connection: Connection, key: LaneKey, cursor: int, reason: str) -> int:
    """Mark all undelivered events of one lane as cancelled.

    Args:
        cursor: the lane's cursor, read under a lock.

    Returns: the number of cancelled events. The lane gets a new epoch, so a settlement by a worker that is still
        pushing for the lane changes no row, and its lease no longer blocks a claim.
    """
    # Held events have a row already: change its state.
    waiting = connection.execute(
        update(held_events)
        .where(
            held_events.c.account_id == key.account_id,
            held_events.c.stream_id == key.stream_id,
            held_events.c.lane == key.lane,
            IS_PENDING,
        )
        .values(state=DeliveryState.CANCELLED.value, reason=reason)
    )
    # Events above the cursor have no row yet: insert one for each.
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
