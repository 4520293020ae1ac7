"""Read the latest attempts of some lanes for charts. The cost does not grow with the log."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, and_, bindparam, select

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.ports import PastAttempt, PastAttempts
from riskrelay.storage.delivery.deliveries import EVENT_KEY
from riskrelay.storage.delivery.newest import lane_parameters, of_lane
from riskrelay.storage.tables import attempts, events

_IS_EVENT = and_(*(attempts.c[name] == events.c[name] for name in EVENT_KEY))
_LATEST = (
    select(events.c.queued_at, attempts.c.started_at, attempts.c.duration_us, attempts.c.outcome)
    .select_from(attempts.join(events, _IS_EVENT))
    .where(of_lane(attempts))
    .order_by(attempts.c.seq.desc(), attempts.c.number.desc())
    .limit(bindparam("many"))
)


def past_attempts(connection: Connection, lanes: Sequence[LaneKey], limit: int) -> PastAttempts:
    """Return at most *limit* attempts of *lanes*, those of the newest events of each lane.

    An index by time would slow down each delivery, so the primary key is read from its end.
    """
    many = max(limit // max(len(lanes), 1), 1)
    found: list[PastAttempt] = []
    ends = []
    for lane in lanes:
        rows = connection.execute(_LATEST, {**lane_parameters(lane), "many": many}).all()
        if len(rows) == many:
            ends.append(rows[-1].queued_at)
        for row in rows:
            ended_at = row.started_at + timedelta(microseconds=row.duration_us)
            kind = OutcomeKind(row.outcome)
            found.append(PastAttempt(ended_at=ended_at, kind=kind, latency=ended_at - row.queued_at))
    return PastAttempts(attempts=found, since=max(ends, default=None))
