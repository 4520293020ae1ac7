"""The log of queued security events and their deliveries, by account."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, and_, bindparam, case, false, or_, update

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.handover import Handover, WokenLane, can_be_handed_over
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.sets import fixed_claims
from riskrelay.core.ssf.streams import CONTROL_LANE, STREAM_DISABLED, StreamId, StreamStatus
from riskrelay.core.ssf.subject_filters import HEARS_ALL
from riskrelay.storage.delivery.backlog import cancel_lane
from riskrelay.storage.delivery.newest import lane_parameters, this_lane
from riskrelay.storage.delivery.pages import deliveries_page, delivery_by_jti
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import events, lanes
from riskrelay.storage.times import database_now, later_of, moment, number_of

_DUE_AT = later_of(database_now(), lanes.c.blocked_until)
SOONER = case((or_(lanes.c.due_at.is_(None), lanes.c.due_at > _DUE_AT), _DUE_AT), else_=lanes.c.due_at)
"""The due time of a lane after an event was queued: now, or when the current wait of its receiver ends."""

_TAKE_NUMBERS = Prepared(
    update(lanes)
    .where(this_lane())
    .values(
        version=lanes.c.version + 1,
        last_seq=lanes.c.last_seq + bindparam("count", type_=BigInteger),
        due_at=SOONER,
    )
    .returning(
        *(lanes.c[name] for name in ("last_seq", "epoch", "replayed", "edits", "blocked_until")),
        # Otherwise the worker reads the lane: it has no lease, or nothing may be sent now.
        and_(
            lanes.c.lease_until > database_now(),
            lanes.c.blocked_until <= database_now(),
            lanes.c.cancel_through == 0,
            lanes.c.stopped == false(),
        ).label("is_open"),
    )
)
_APPEND = BulkInsert(
    events,
    *("account_id", "stream_id", "lane", "seq", "jti", "subject_key", "claims", "queued_at", "is_level_change"),
)

_EventRow = tuple[AccountId, StreamId, int, int, Jti, str, bytes, int | None, bool]
"""The values of `_APPEND`."""


class EventRows:
    """Implements ports.Events."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def queue(self, signals: Sequence[Signal], *, hand_over: bool = False) -> list[WokenLane]:
        found: dict[tuple[StreamId, int], list[Signal]] = defaultdict(list)
        for signal in signals:
            stream = signal.stream
            number = CONTROL_LANE if signal.is_control else stream.lane_of(signal.subject_key)
            found[stream.stream_id, number].append(signal)
        by_lane = {LaneKey(self._account_id, *place): queued for place, queued in found.items()}
        rows: list[_EventRow] = []
        handovers: dict[LaneKey, Handover] = {}
        # Lock the lanes in a fixed order, so that two transactions cannot deadlock.
        for key in sorted(by_lane, key=lambda key: (key.stream_id, key.lane)):
            lane = _TAKE_NUMBERS.one(self._connection, {**lane_parameters(key), "count": len(by_lane[key])})
            of_lane = _rows(key, by_lane[key], lane.last_seq)
            rows += of_lane
            if hand_over and lane.is_open and can_be_handed_over(by_lane[key][0].stream, key.lane, len(of_lane)):
                handovers[key] = _handover(key, by_lane[key], of_lane, lane)
        _APPEND.run(self._connection, rows)
        dropped = {key: len(of_lane) for key, of_lane in by_lane.items() if _is_dropped(of_lane[0])}
        for key, count in dropped.items():
            self._cancel(key, count)
        return [handovers.get(key, key) for key in by_lane if key not in dropped]

    def _cancel(self, key: LaneKey, count: int) -> None:
        """Cancel *count* events of a lane whose stream is disabled. Chores cancel the others, if it still has some."""
        cancel_lane(self._connection, key, STREAM_DISABLED, count)

    def deliveries(
        self,
        integration_id: IntegrationId,
        state: DeliveryState | None,
        after: tuple[StreamId, int, int] | None,
        limit: int,
    ) -> list[Delivery]:
        return deliveries_page(self._connection, self._account_id, integration_id, state, after=after, limit=limit)

    def delivery(self, integration_id: IntegrationId, jti: Jti) -> Delivery | None:
        return delivery_by_jti(self._connection, self._account_id, integration_id, jti)


def _rows(key: LaneKey, signals: Sequence[Signal], last_seq: int) -> list[_EventRow]:
    """Number the events of one lane, of which the last has *last_seq*.

    The lane's row stays locked until the commit. So numbers become visible in order, and a cursor cannot pass an event
    that commits late (design 5).
    """
    return [
        (
            key.account_id,
            key.stream_id,
            key.lane,
            seq,
            signal.event.jti,
            signal.subject_key,
            fixed_claims(signal.event),
            number_of(signal.event.issued_at),
            signal.is_level_change,
        )
        for seq, signal in enumerate(signals, last_seq - len(signals) + 1)
    ]


def _handover(
    key: LaneKey, signals: Sequence[Signal], rows: Sequence[_EventRow], lane: Row[*tuple[Any, ...]]
) -> Handover:
    queued = [
        QueuedEvent(
            seq=seq,
            jti=signal.event.jti,
            subject_key=signal.subject_key,
            claims=claims,
            queued_at=signal.event.issued_at,
            is_level_change=signal.is_level_change,
        )
        for signal, (_, _, _, seq, _, _, claims, _, _) in zip(signals, rows, strict=True)
    ]
    return Handover(
        key=key,
        epoch=lane.epoch,
        # Up to a thousand statements, which a worker does not need.
        stream=replace(signals[0].stream, subjects=HEARS_ALL),
        events=queued,
        replayed=lane.replayed,
        edits=lane.edits,
        blocked_until=moment(lane.blocked_until),
    )


def _is_dropped(signal: Signal) -> bool:
    """Return whether the event is cancelled at once, because its stream is disabled.

    Rule: SSF 1.0 §8.1.2: a disabled stream neither sends nor holds events. Events about the stream itself are sent.
    """
    return signal.stream.status is StreamStatus.DISABLED and not signal.is_control
