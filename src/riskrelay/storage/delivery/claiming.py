"""Claim due lanes: either the lanes that a wake named, or the lanes that have been due for longest.

While another session holds a snapshot, the index on `due_at` keeps an entry for every settled batch. So a scan starts
at the oldest `due_at` of the previous scan, and a lane that is claimed by name is read by its key.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, bindparam, case, false, func, select, update

from riskrelay.core.delivery.lanes import LaneKey, LaneLease, NextDue
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.tables import lanes
from riskrelay.storage.times import database_now, later_of, micros, moment, number_of

_NOW = select(database_now()).scalar_subquery()  # a subquery, because PostgreSQL uses no index for a volatile function
_LATE = timedelta(seconds=30)  # a transaction writes `due_at` this long before its commit at most
_LATEST_START = _NOW - micros(_LATE)  # an upper bound of the scan's start, in case the clock was set back
_SINCE = bindparam("since", type_=BigInteger)
_START = case((_SINCE > _LATEST_START, _LATEST_START), else_=_SINCE)


_due = lanes.alias("due")
_OWN = update(lanes).values(
    version=lanes.c.version + 1,
    epoch=lanes.c.epoch + 1,
    lease_until=database_now() + bindparam("lease_us", type_=BigInteger),
)
_WANTS_WORK = lanes.c.due_at.is_not(None) & (lanes.c.stopped == false())
# SKIP LOCKED: two workers that scan at the same time lock different lanes, and neither waits for the other.
_LONGEST_DUE = (
    select(lanes.c.account_id, lanes.c.stream_id, lanes.c.lane, lanes.c.epoch)
    .where(_WANTS_WORK, lanes.c.due_at >= _START, lanes.c.due_at <= _NOW, lanes.c.lease_until <= _NOW)
    .order_by(lanes.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_OWN_LOCKED = _OWN.where(this_lane())
# The CASE keeps the planner from using the index on `due_at`. A lane whose row changes between this subquery and its
# lock is not claimed: the transaction that changed it wakes a worker, and otherwise the next scan claims the lane.
_NAMED = (
    select(_due.c.version)
    .where(this_lane(_due), case((_due.c.stopped, None), else_=_due.c.due_at) <= _NOW, _due.c.lease_until <= _NOW)
    .with_for_update(skip_locked=True)
)
_OWN_NAMED = _OWN.where(of_lane(lanes), lanes.c.version == _NAMED.scalar_subquery()).returning(lanes.c.epoch)
_NEXT_DUE = select(
    (func.min(later_of(lanes.c.due_at, lanes.c.lease_until)) - _NOW).label("due_in"),
    func.min(lanes.c.due_at).label("oldest"),
    _NOW.label("now"),
).where(_WANTS_WORK, lanes.c.due_at >= _START)


def claim_longest_due(
    connection: Connection, limit: int, lease: timedelta, since: datetime | None, besides: Collection[LaneKey]
) -> list[LaneLease]:
    """Claim at most *limit* lanes, the longest due first. Lanes in *besides* are skipped."""
    rows = connection.execute(_LONGEST_DUE, {"most": limit + len(besides), "since": number_of(since) or 0}).all()
    found = [LaneLease(LaneKey(row.account_id, row.stream_id, row.lane), row.epoch + 1) for row in rows]
    leases = [each for each in found if each.key not in besides][:limit]
    # One UPDATE for each lane: a join with the locked rows could make PostgreSQL read all versions of all lanes.
    if leases:
        lease_us = micros(lease)
        connection.execute(_OWN_LOCKED, [{**lane_parameters(each.key), "lease_us": lease_us} for each in leases])
    return leases


def claim_named(connection: Connection, named: Sequence[LaneKey], lease: timedelta) -> list[LaneLease]:
    """Claim the lanes of *named* that are due and not leased."""
    leases = []
    for key in named:
        row = connection.execute(_OWN_NAMED, {**lane_parameters(key), "lease_us": micros(lease)}).first()
        if row is not None:
            leases.append(LaneLease(key, row.epoch))
    return leases


def next_due(connection: Connection, since: datetime | None) -> NextDue:
    """Return when the next lane becomes due, and where the next scan may start."""
    row = connection.execute(_NEXT_DUE, {"since": number_of(since) or 0}).one()
    due_in = None if row.due_in is None else timedelta(microseconds=max(row.due_in, 0))
    return NextDue(due_in, moment(row.now if row.oldest is None else min(row.oldest, row.now)))
