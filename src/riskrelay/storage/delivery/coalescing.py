"""Collapse waiting level changes. Every write has the condition `epoch = mine`, as that of a batch."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Connection, String, and_, bindparam, case, func, literal_column, select, update

from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.delivery.coalescing import Admission, Knowledge, KnownLevel
from riskrelay.core.delivery.lanes import LaneKey, LaneLease
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.ssf.level_changes import levels_in
from riskrelay.storage.delivery.deliveries import ERASED, EVENT_KEY
from riskrelay.storage.delivery.lane_rows import EVENT_COLUMNS, IS_HELD, queued_from
from riskrelay.storage.delivery.lanes import OWNED, LaneRows
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import IS_PENDING, events, held_events, lanes
from riskrelay.storage.times import database_now, micros, moment

_BACKLOG = (
    select(*EVENT_COLUMNS)
    .where(of_lane(events), events.c.seq > bindparam("after", type_=BigInteger))
    .order_by(events.c.seq)
    .limit(bindparam("most"))
)
_CURSOR = select(lanes.c.cursor).where(this_lane()).scalar_subquery()
_user_event = events.alias("user_event")
_its_row = held_events.alias("its_row")
# The index by subject leads to the few events of a user. It contains the key, so no event is read but the last one. The
# expressions keep the planners from using the primary key, which leads through the whole lane.
_LAST_SEQ = (
    select(_user_event.c.seq)
    .select_from(
        _user_event.outerjoin(_its_row, and_(*(_its_row.c[name] == _user_event.c[name] for name in EVENT_KEY)))
    )
    .where(
        _user_event.c.account_id == bindparam("account"),
        _user_event.c.subject_key == bindparam("subject"),
        func.length(_user_event.c.subject_key) <= literal_column("400"),  # the condition of the index
        _user_event.c.stream_id.concat("") == bindparam("stream"),
        _user_event.c.lane + 0 == bindparam("lane_number"),
        _user_event.c.seq + 0 <= bindparam("through", type_=BigInteger),
        _its_row.c.state.is_(None) | (_its_row.c.state != DeliveryState.SUPERSEDED.value),
    )
    .order_by((_user_event.c.seq + 0).desc())
    .limit(1)
    .scalar_subquery()
)
_LAST_EVENT = (
    select(
        events.c.claims,
        (events.c.is_level_change & held_events.c.state.is_(None) & (events.c.seq <= _CURSOR)).label("is_delivered"),
    )
    .select_from(events.outerjoin(held_events, IS_HELD))
    .where(of_lane(events), events.c.seq == _LAST_SEQ)
)
_SET_KNOWN_LEVEL = (
    update(events)
    # The time selects the partition on PostgreSQL.
    .where(
        of_lane(events),
        events.c.seq == bindparam("one"),
        events.c.queued_at == bindparam("at"),
        events.c.subject_key != ERASED,
    )
    .values(known_level=bindparam("level", type_=String))
)
_LEASE_UNTIL = case(
    (
        bindparam("lease_us", type_=BigInteger) > 0,
        database_now() + bindparam("lease_us", type_=BigInteger),
    ),
    else_=0,
)
_EXTEND = update(lanes).where(OWNED).values(version=lanes.c.version + 1, lease_until=_LEASE_UNTIL)
_RENEW = Prepared(_EXTEND)
_IS_LEFT = select(held_events.c.seq).where(of_lane(held_events), IS_PENDING).exists()
# A lane without undelivered events must not stay due, or a worker would claim it every second and find no work.
_ADMIT = Prepared(
    _EXTEND.values(
        admitted=bindparam("new_admitted", type_=BigInteger),
        cursor=bindparam("new_cursor", type_=BigInteger),
        superseded=lanes.c.superseded + bindparam("supersedes", type_=BigInteger),
        due_at=case(
            (
                (lanes.c.last_seq > bindparam("new_cursor", type_=BigInteger))
                | (bindparam("keeps", type_=BigInteger) > 0)
                | _IS_LEFT,
                lanes.c.due_at,
            ),
            else_=None,
        ),
    )
)
_ADD_ROWS = BulkInsert(held_events, *EVENT_KEY, "state", "attempts", "due_at", "reason")
SUPERSEDED_BY_LATER = "later_level_change"
_WAITING = "waiting"


class CoalescingRows:
    """Implements ports.Coalescing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lanes = LaneRows(connection)

    def backlog(self, key: LaneKey, after: int, limit: int) -> list[QueuedEvent]:
        rows = self._connection.execute(_BACKLOG, {**lane_parameters(key), "after": after, "most": limit})
        return [queued_from(row, moment(0)) for row in rows]

    def knowledge(self, key: LaneKey, through: int, levels: Collection[tuple[str, str]]) -> dict[str, Knowledge]:
        return {subject: self._knowledge(key, through, subject, level) for subject, level in levels}

    def _knowledge(self, key: LaneKey, through: int, subject: str, level: str) -> Knowledge:
        parameters = {**lane_parameters(key), "subject": subject, "through": through}
        row = self._connection.execute(_LAST_EVENT, parameters).first()
        if row is None:
            return Knowledge.NOTHING
        levels = levels_in(row.claims) if row.is_delivered else None
        return Knowledge.OTHER if levels is None or levels[1] != level else Knowledge.LEVEL

    def store_known_levels(self, lease: LaneLease, changed: Sequence[KnownLevel], extend: timedelta) -> None:
        self._lanes.write_owned(_RENEW, lease, lease_us=micros(extend))
        key = lane_parameters(lease.key)
        rows = [{**key, "one": row.event.seq, "at": row.event.queued_at, "level": row.level} for row in changed]
        self._connection.execute(_SET_KNOWN_LEVEL, rows)

    def admit(self, lease: LaneLease, admission: Admission, extend: timedelta) -> None:
        self._lanes.write_owned(
            _ADMIT,
            lease,
            lease_us=micros(extend),
            new_admitted=admission.admitted,
            new_cursor=admission.cursor,
            keeps=len(admission.kept),
            supersedes=len(admission.superseded),
        )
        key = (lease.key.account_id, lease.key.stream_id, lease.key.lane)
        superseded = (DeliveryState.SUPERSEDED.value, 0, 0, SUPERSEDED_BY_LATER)
        rows = [(*key, seq, *superseded) for seq in admission.superseded]
        rows += [(*key, seq, DeliveryState.PENDING.value, 0, 0, _WAITING) for seq in admission.kept]
        _ADD_ROWS.run(self._connection, rows)
