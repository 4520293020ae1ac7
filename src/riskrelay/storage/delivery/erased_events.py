"""Take the user out of events. The ledger and the receipts of deliveries stay.

An event without a subject is never sent. A held one is settled here. Another one is settled when the cursor passes it:
here, if no worker has the lane and it is the next one, otherwise by the worker or by the receiver's poll. So an erasure
needs no lease: a batch that is under way writes its outcomes as always, and each event is counted once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.erasures import erased_claims, erased_jti
from riskrelay.core.ssf.events import Jti
from riskrelay.storage.delivery.deliveries import ERASED, EVENT_KEY
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.tables import attempts, event_requests, events, held_events, lanes
from riskrelay.storage.times import database_now

_NUMBERS: BindParameter[int] = bindparam("numbers", expanding=True)
_REASON = "erased"
_MOST_PASSED = 1_000  # guessed: one statement with small rows, some milliseconds

_LOCK = select(lanes.c.cursor, (lanes.c.lease_until <= database_now()).label("is_free")).where(this_lane())
_READ = select(events.c.seq, events.c.jti, events.c.claims, events.c.queued_at).where(
    of_lane(events), events.c.seq.in_(_NUMBERS)
)
_EMPTY = (
    update(events)
    .where(of_lane(events), events.c.seq == bindparam("number"))
    .values(subject_key=ERASED, jti=bindparam("digest"), claims=bindparam("left"), known_level=None)
)
_SETTLE_HELD = (
    update(held_events)
    .where(of_lane(held_events), held_events.c.seq.in_(_NUMBERS), held_events.c.state == DeliveryState.PENDING.value)
    .values(state=DeliveryState.ERASED.value, reason=_REASON)
)
_DELETE_ECHOES = (
    update(attempts).where(of_lane(attempts), attempts.c.seq.in_(_NUMBERS), attempts.c.detail != "").values(detail="")
)
_DELETE_ECHOES_OF_ERASED = (
    update(attempts)
    .where(
        of_lane(attempts),
        attempts.c.seq.in_(_NUMBERS),
        exists().where(
            and_(*(events.c[name] == attempts.c[name] for name in EVENT_KEY)), events.c.subject_key == ERASED
        ),
    )
    .values(detail="")
)
_DELETE_REQUEST = delete(event_requests).where(
    event_requests.c.account_id == bindparam("account"),
    event_requests.c.requested_at == bindparam("at"),
    event_requests.c.txn == bindparam("shared"),
)
_NEXT = (
    select(events.c.seq, events.c.subject_key)
    .where(of_lane(events), events.c.seq > bindparam("after", type_=BigInteger))
    .order_by(events.c.seq)
    .limit(_MOST_PASSED)
)
_ADD_ERASED = insert(held_events).from_select(
    [*EVENT_KEY, "state", "attempts", "due_at", "reason"],
    select(
        *(events.c[name] for name in EVENT_KEY),
        *(literal(value) for value in (DeliveryState.ERASED.value, 0, 0, _REASON)),
    ).where(of_lane(events), events.c.seq > bindparam("after"), events.c.seq <= bindparam("through")),
)
_IS_LEFT = exists().where(of_lane(held_events), held_events.c.state == DeliveryState.PENDING.value)
# A lane without undelivered events must not stay due (see retention).
_PASS = (
    update(lanes)
    .where(this_lane())
    .values(
        epoch=lanes.c.epoch + 1,
        cursor=bindparam("through", type_=BigInteger),
        due_at=case(
            (or_(lanes.c.last_seq > bindparam("through", type_=BigInteger), _IS_LEFT), lanes.c.due_at), else_=None
        ),
    )
)


@dataclass(frozen=True, slots=True)
class EventPlace:
    """The place of an event in the log of an account."""

    stream_id: str
    lane: int
    seq: int


class _Claims(msgspec.Struct):
    txn: str | None = None


def erase_events(connection: Connection, account_id: str, places: Sequence[EventPlace]) -> None:
    """Take the user out of events, of their attempts and of the requests that queued them.

    Args:
        places: at most a hundred.
    """
    by_lane: dict[LaneKey, list[int]] = defaultdict(list)
    for place in places:
        by_lane[LaneKey(account_id, place.stream_id, place.lane)].append(place.seq)  # type: ignore[arg-type]
    # In the order in which every transaction locks lanes, so that none wait in a circle.
    for key in sorted(by_lane, key=lambda key: (key.stream_id, key.lane)):
        _erase_in_lane(connection, key, by_lane[key])


def delete_echoes(connection: Connection, key: LaneKey, numbers: Sequence[int]) -> None:
    """Remove what receivers answered to events that were erased while they were sent.

    Args:
        key: the lane, locked.
        numbers: of the events whose attempts were just added.
    """
    connection.execute(_DELETE_ECHOES_OF_ERASED, {**lane_parameters(key), "numbers": list(numbers)})


def _erase_in_lane(connection: Connection, key: LaneKey, numbers: Sequence[int]) -> None:
    parameters = {**lane_parameters(key), "numbers": list(numbers)}
    lane = connection.execute(_LOCK.with_for_update(), parameters).one()
    found = connection.execute(_READ, parameters).all()
    rows = [
        {
            **lane_parameters(key),
            "number": row.seq,
            "digest": erased_jti(Jti(row.jti)),
            "left": erased_claims(row.claims),
        }
        for row in found
    ]
    if rows:
        connection.execute(_EMPTY, rows)
    connection.execute(_SETTLE_HELD, parameters)
    connection.execute(_DELETE_ECHOES, parameters)
    _delete_requests(connection, key, [(row.queued_at, row.claims) for row in found])
    if lane.is_free:
        _pass(connection, key, lane.cursor)


def _delete_requests(connection: Connection, key: LaneKey, queued: Sequence[tuple[datetime, bytes]]) -> None:
    """Delete the ids under which clients requested the events: both have the same time and the same txn."""
    rows: list[dict[str, Any]] = [
        {"account": key.account_id, "at": at, "shared": msgspec.json.decode(claims, type=_Claims).txn or ""}
        for at, claims in queued
    ]
    if rows:
        connection.execute(_DELETE_REQUEST, rows)


def _pass(connection: Connection, key: LaneKey, cursor: int) -> None:
    """Settle the erased events that are next in a lane without a worker, and take the lane by a new epoch."""
    parameters = {**lane_parameters(key), "after": cursor}
    through = cursor
    for row in connection.execute(_NEXT, parameters):
        if row.subject_key != ERASED:
            break
        through = row.seq
    if through > cursor:
        connection.execute(_ADD_ERASED, {**parameters, "through": through})
    connection.execute(_PASS, {**parameters, "through": through})
