"""Cancel the undelivered events of a lane, in bounded steps. Each event keeps a row with the reason.

The first transaction notes in the lane how far its events are cancelled (`cancel_through`), so that no worker and no
poll takes one of them from then on. Then the rows are written, some in the same transaction, the others in later ones.
Until an event has its row, the ledger counts it as pending.
"""

from sqlalchemy import BigInteger, Connection, Update, bindparam, case, insert, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.tables import IS_PENDING, events, held_events, lanes
from riskrelay.storage.times import database_now

_MOST = bindparam("most", type_=BigInteger)
_THROUGH = bindparam("through", type_=BigInteger)

_BEGIN = (
    update(lanes)
    .where(this_lane())
    .values(
        cancel_through=lanes.c.last_seq,
        cancel_reason=bindparam("why"),
        epoch=lanes.c.epoch + 1,
        lease_until=0,
        due_at=None,
        stopped=True,
    )
)
_STATE = (
    select(lanes.c.cursor, lanes.c.cancel_through, lanes.c.cancel_reason)
    .where(this_lane(), lanes.c.cancel_through > 0)
    .with_for_update()
)
_HELD = (
    select(held_events.c.seq)
    .where(of_lane(held_events), IS_PENDING, held_events.c.seq <= _THROUGH)
    .order_by(held_events.c.seq)
    .limit(_MOST)
)
_CANCEL_HELD = (
    update(held_events)
    .where(of_lane(held_events), IS_PENDING, held_events.c.seq.in_(_HELD.scalar_subquery()))
    .values(state=DeliveryState.CANCELLED.value, reason=bindparam("why"))
)
_CANCEL_QUEUED = insert(held_events).from_select(
    ["account_id", "stream_id", "lane", "seq", "state", "attempts", "due_at", "reason"],
    select(
        *(events.c[name] for name in ("account_id", "stream_id", "lane", "seq")),
        *(bindparam(name, value) for name, value in (("new_state", DeliveryState.CANCELLED.value), ("zero", 0))),
        bindparam("no_time", 0, type_=BigInteger),
        bindparam("why"),
    ).where(of_lane(events), events.c.seq > bindparam("after", type_=BigInteger), events.c.seq <= _THROUGH),
)
_PASS = update(lanes).where(this_lane()).values(cursor=_THROUGH)
_IS_LEFT = select(held_events.c.seq).where(of_lane(held_events), IS_PENDING).exists()


def _end() -> Update:
    """Build the statement that ends a cancellation. Events that were queued since then are due."""
    anything_waits = (lanes.c.last_seq > lanes.c.cursor) | _IS_LEFT
    return (
        update(lanes)
        .where(this_lane())
        .values(cancel_through=0, cancel_reason=None, due_at=case((anything_waits, database_now()), else_=None))
    )


_END = _end()


def cancel_lane(connection: Connection, key: LaneKey, reason: str, at_most: int) -> int:
    """Cancel all undelivered events of a lane: at most *at_most* now, the others by `continue_cancelling`.

    Returns: the number of events cancelled now. The lane gets a new epoch, so a settlement by a worker that is still
        pushing for the lane changes no row, and its lease no longer blocks a claim.
    """
    connection.execute(_BEGIN, {**lane_parameters(key), "why": reason})
    return continue_cancelling(connection, key, at_most)[0]


def continue_cancelling(connection: Connection, key: LaneKey, at_most: int) -> tuple[int, bool]:
    """Cancel at most *at_most* more events of a lane, the oldest first.

    Returns: their number, and whether no event is left to cancel.
    """
    parameters = lane_parameters(key)
    lane = connection.execute(_STATE, parameters).first()
    if lane is None:
        return 0, True
    parameters = {**parameters, "why": lane.cancel_reason}
    # Events that were attempted have a row already: change its state.
    held = connection.execute(_CANCEL_HELD, {**parameters, "through": lane.cancel_through, "most": at_most}).rowcount
    # Events above the cursor have no row yet: insert one for each.
    through = max(min(lane.cursor + at_most - held, lane.cancel_through), lane.cursor)
    if through > lane.cursor:
        connection.execute(_CANCEL_QUEUED, {**parameters, "after": lane.cursor, "through": through})
        connection.execute(_PASS, {**parameters, "through": through})
    is_over = through >= lane.cancel_through and held < at_most
    if is_over:
        connection.execute(_END, parameters)
    return held + through - int(lane.cursor), is_over
