"""Set settled deliveries of a lane to pending, for replays and retries."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, BindParameter, Connection, and_, bindparam, func, insert, literal, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import REPLAYED
from riskrelay.storage.delivery.deliveries import EVENT_KEY
from riskrelay.storage.delivery.events import SOONER
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.tables import attempts, events, held_events, lanes
from riskrelay.storage.times import database_now

_SEQS: BindParameter[int] = bindparam("seqs", expanding=True)
_SET_PENDING = (
    update(held_events)
    .where(of_lane(held_events), held_events.c.seq.in_(_SEQS), held_events.c.state == bindparam("was"))
    .values(state=DeliveryState.PENDING.value, due_at=0, reason=REPLAYED, replayed_at=database_now())
)
_PUT_BACK = (
    update(lanes)
    .where(this_lane())
    .values(
        delivered=lanes.c.delivered - bindparam("taken_back", type_=BigInteger),
        replayed=lanes.c.replayed + bindparam("more", type_=BigInteger),
        due_at=SOONER,
    )
)
# Delivered events have no row. Their attempts are numbered on from the last one.
_LAST_NUMBER = (
    select(func.coalesce(func.max(attempts.c.number), 0))
    .where(and_(*(attempts.c[name] == events.c[name] for name in EVENT_KEY)))
    .scalar_subquery()
)
_INSERT_PENDING = insert(held_events).from_select(
    [*EVENT_KEY, "state", "attempts", "due_at", "reason", "replayed_at"],
    select(
        *(events.c[name] for name in EVENT_KEY),
        literal(DeliveryState.PENDING.value),
        _LAST_NUMBER,
        literal(0),
        literal(REPLAYED),
        database_now(),
    ).where(of_lane(events), events.c.seq.in_(_SEQS)),
)


def put_back(connection: Connection, key: LaneKey, state: DeliveryState, seqs: Sequence[int]) -> None:
    """Set settled deliveries of a locked lane to pending. The ledger counts each delivery in exactly one state."""
    if not seqs:
        return
    was_delivered = state is DeliveryState.DELIVERED
    parameters = {**lane_parameters(key), "seqs": seqs}
    if was_delivered:
        connection.execute(_INSERT_PENDING, parameters)
    else:
        connection.execute(_SET_PENDING, {**parameters, "was": state.value})
    taken_back = len(seqs) if was_delivered else 0
    connection.execute(_PUT_BACK, {**lane_parameters(key), "taken_back": taken_back, "more": len(seqs)})
