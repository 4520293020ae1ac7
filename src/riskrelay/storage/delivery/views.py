"""Deliveries for the console: pages of a long log, the newest of many lanes, groups of dead letters.

Every statement is bounded and uses an index, for a log of any length.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, bindparam, func, select, tuple_

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports import (
    DeadLetters,
    DeliveryFilter,
    DeliveryPage,
    EventPlace,
    Glance,
    LanePlaces,
    PastAttempts,
    ReasonPlace,
    Sent,
)
from riskrelay.storage.delivery.deliveries import read_deliveries
from riskrelay.storage.delivery.newest import lane_parameters, of_lane
from riskrelay.storage.delivery.past_attempts import past_attempts
from riskrelay.storage.delivery.scans import IS_HELD, NEWEST, Lane, count, newest, older, scan
from riskrelay.storage.delivery.stream_rows import select_streams, stream_from
from riskrelay.storage.tables import IS_DEAD, events, held_events, integrations, lanes, streams
from riskrelay.storage.times import moment

_LANES = 64  # guessed: an integration has one or a few
_LIVELIEST = 10  # guessed: lanes that are scanned for the newest of a whole account, for each of two orders
_COUNTED = 1_000_000  # measured: 0.12 s of the index; larger counts are shown as "more than"

_CLAIMS = select(events.c.seq, events.c.claims).where(
    of_lane(events), events.c.seq.in_(bindparam("numbers", expanding=True))
)

_OF_STREAM = and_(*(lanes.c[name] == streams.c[name] for name in ("account_id", "stream_id")))
_OF_INTEGRATION = and_(*(streams.c[name] == integrations.c[name] for name in ("account_id", "integration_id")))
_TRIED = (lanes.c.failures, lanes.c.rejecting, lanes.c.last_reason, lanes.c.attempted_at)
_EXISTING = streams.c.deleted_at.is_(None) & integrations.c.deleted_at.is_(None)

# A literal, not a parameter: both engines use the partial index only for a literal.
_BY_REASON = tuple_(held_events.c.stream_id, held_events.c.reason)
_NEXT_REASON = (
    select(held_events.c.stream_id, held_events.c.reason)
    .where(
        held_events.c.account_id == bindparam("account"),
        IS_DEAD,
        tuple_(bindparam("stream"), bindparam("reason")) < _BY_REASON,
    )
    .order_by(held_events.c.stream_id, held_events.c.reason)
    .limit(1)
)
_OF_REASON = (
    (held_events.c.account_id == bindparam("account"))
    & IS_DEAD
    & (held_events.c.stream_id == bindparam("stream"))
    & (held_events.c.reason == bindparam("reason"))
)
_FEW = select(held_events.c.seq).where(_OF_REASON).limit(_COUNTED + 1).subquery()
_HOW_MANY = select(func.count()).select_from(_FEW).scalar_subquery()
_LATEST_DEAD = (
    select(events.c.lane, events.c.seq, events.c.queued_at, _HOW_MANY.label("many"))
    .select_from(held_events.join(events, IS_HELD))
    .where(_OF_REASON)
    .order_by(held_events.c.lane.desc(), held_events.c.seq.desc())
    .limit(1)
)
_BEHIND_ALL = "\U0010ffff"


class DeliveryViewRows:
    """Implements ports.DeliveryViews."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def page(
        self, integration_id: IntegrationId, wanted: DeliveryFilter, behind: LanePlaces, limit: int
    ) -> DeliveryPage:
        scans = [
            scan(self._connection, lane, wanted, behind.get(lane.name, NEWEST), limit=limit)
            for lane in self._lanes_of(integration_id)
        ]
        shown = newest(scans, limit)
        return DeliveryPage(self._read(integration_id, shown), older(scans, shown, behind))

    def count(self, integration_id: IntegrationId, wanted: DeliveryFilter) -> int | None:
        return count(self._connection, self._lanes_of(integration_id), wanted)

    def latest(self, integration_id: IntegrationId | None, state: DeliveryState | None, limit: int) -> list[Sent]:
        found = self._liveliest() if integration_id is None else self._lanes_of(integration_id)
        wanted = DeliveryFilter(state=state)
        shown = newest([scan(self._connection, lane, wanted, NEWEST, limit=limit) for lane in found], limit)
        known = self._streams({lane.key.stream_id for lane, _ in shown})
        by_integration: dict[IntegrationId, list[tuple[Lane, int]]] = defaultdict(list)
        for lane, seq in shown:
            by_integration[known[lane.key.stream_id].integration.integration_id].append((lane, seq))
        deliveries = [one for owner, some in by_integration.items() for one in self._read(owner, some)]
        deliveries.sort(key=lambda delivery: (delivery.queued_at, delivery.seq), reverse=True)
        return self._sent(deliveries, known)

    def with_claims(self, deliveries: Sequence[Delivery]) -> list[Sent]:
        known = self._streams({one.stream_id for one in deliveries})
        return self._sent([one for one in deliveries if one.stream_id in known], known)

    def at(self, integration_id: IntegrationId, place: EventPlace) -> Sent | None:
        known = self._streams({place.stream_id})
        lane = Lane(LaneKey(self._account_id, place.stream_id, place.lane), 0)
        found = self._read(integration_id, [(lane, place.seq)]) if known else []
        return self._sent(found, known)[0] if found else None

    def dead_letters(self, after: ReasonPlace | None, limit: int) -> list[DeadLetters]:
        place = after or ReasonPlace(StreamId(""), "")
        known: dict[StreamId, Stream | None] = {}
        found: list[DeadLetters] = []
        for _ in range(2 * limit):  # deleted streams are skipped; the loop is bounded all the same
            row = self._connection.execute(
                _NEXT_REASON, {"account": self._account_id, "stream": place.stream_id, "reason": place.reason}
            ).first()
            if row is None or len(found) == limit:
                break
            place = ReasonPlace(row.stream_id, row.reason)
            if place.stream_id not in known:
                known[place.stream_id] = self._streams({place.stream_id}).get(place.stream_id)
            stream = known[place.stream_id]
            if stream is None:
                place = ReasonPlace(place.stream_id, _BEHIND_ALL)
            else:
                found.append(self._group(stream, place))
        return found

    def glances(self, integration_ids: Sequence[IntegrationId]) -> list[Glance]:
        joined = (
            select_streams()
            .add_columns(*_TRIED)
            .join(lanes, _OF_STREAM)
            .where(streams.c.account_id == self._account_id, streams.c.integration_id.in_(integration_ids), _EXISTING)
            .order_by(streams.c.created_at, streams.c.stream_id, lanes.c.attempted_at)
        )
        found: dict[StreamId, Glance] = {}
        for row in self._connection.execute(joined):
            before = found.get(row.stream_id)
            failures = max(row.failures, 0 if before is None else before.failures)
            at = moment(row.attempted_at) if row.attempted_at else None
            rejecting = row.rejecting or (before is not None and before.rejecting)
            found[row.stream_id] = Glance(
                stream=stream_from(row),
                failures=failures,
                last_reason=row.last_reason,
                last_attempt_at=at,
                rejecting=rejecting,
            )
        return list(found.values())

    def past_attempts(self, integration_id: IntegrationId, limit: int) -> PastAttempts:
        lanes_read = [lane.key for lane in self._lanes_of(integration_id)]
        return past_attempts(self._connection, lanes_read, limit)

    def _group(self, stream: Stream, place: ReasonPlace) -> DeadLetters:
        parameters = {"account": self._account_id, "stream": place.stream_id, "reason": place.reason}
        latest = self._connection.execute(_LATEST_DEAD, parameters).one()
        event = EventPlace(place.stream_id, latest.lane, latest.seq)
        return DeadLetters(
            stream=stream,
            reason=place.reason,
            count=min(latest.many, _COUNTED),
            has_more=latest.many > _COUNTED,
            latest=event,
            latest_at=latest.queued_at,
        )

    def _read(self, integration_id: IntegrationId, places: Iterable[tuple[Lane, int]]) -> list[Delivery]:
        """Read the deliveries at *places*, in the same order."""
        by_lane: dict[LaneKey, list[int]] = defaultdict(list)
        order: dict[tuple[StreamId, int, int], int] = {}
        for lane, seq in places:
            by_lane[lane.key].append(seq)
            order[lane.key.stream_id, lane.key.lane, seq] = len(order)
        found: list[Delivery] = []
        for key, numbers in by_lane.items():
            here = (
                events.c.stream_id == key.stream_id,
                events.c.lane == key.lane,
                events.c.seq.in_(numbers),
            )
            found += read_deliveries(self._connection, self._account_id, integration_id, *here, limit=len(numbers))
        return sorted(found, key=lambda one: order[one.stream_id, one.lane, one.seq])

    def _sent(self, deliveries: Sequence[Delivery], known: Mapping[StreamId, Stream]) -> list[Sent]:
        by_lane: dict[LaneKey, list[int]] = defaultdict(list)
        for one in deliveries:
            by_lane[LaneKey(self._account_id, one.stream_id, one.lane)].append(one.seq)
        fixed: dict[tuple[StreamId, int, int], bytes] = {}
        for key, numbers in by_lane.items():  # lane by lane: SQLite scans the log for a list of keys
            rows = self._connection.execute(_CLAIMS, {**lane_parameters(key), "numbers": numbers})
            fixed |= {(key.stream_id, key.lane, row.seq): row.claims for row in rows}
        claims_of = [fixed[one.stream_id, one.lane, one.seq] for one in deliveries]
        return [
            Sent(
                delivery=delivery,
                stream=known[delivery.stream_id],
                fixed_claims=claims,
                claims=msgspec.json.decode(claims),
            )
            for delivery, claims in zip(deliveries, claims_of, strict=True)
        ]

    def _streams(self, stream_ids: Iterable[StreamId]) -> dict[StreamId, Stream]:
        """Return the streams that still exist."""
        query = select_streams().where(
            streams.c.account_id == self._account_id, streams.c.stream_id.in_(list(stream_ids)), _EXISTING
        )
        found = [stream_from(row) for row in self._connection.execute(query)]
        return {stream.stream_id: stream for stream in found}

    def _lanes_of(self, integration_id: IntegrationId) -> list[Lane]:
        query = self._lanes().where(streams.c.integration_id == integration_id)
        return self._read_lanes(query.order_by(lanes.c.stream_id, lanes.c.lane).limit(_LANES))

    def _liveliest(self) -> list[Lane]:
        """Return the lanes with the latest attempts and the lanes with the latest due times."""
        tried = self._lanes().where(lanes.c.attempted_at > 0).order_by(lanes.c.attempted_at.desc())
        waiting = self._lanes().where(lanes.c.due_at.is_not(None)).order_by(lanes.c.due_at.desc())
        found = [lane for query in (tried, waiting) for lane in self._read_lanes(query.limit(_LIVELIEST))]
        return list({lane.key: lane for lane in found}.values())

    def _lanes(self) -> Select[*tuple[Any, ...]]:
        joined = lanes.join(streams, _OF_STREAM).join(integrations, _OF_INTEGRATION)
        return (
            select(lanes.c.stream_id, lanes.c.lane, lanes.c.cursor)
            .select_from(joined)
            .where(lanes.c.account_id == self._account_id, _EXISTING)
        )

    def _read_lanes(self, query: Select[*tuple[Any, ...]]) -> list[Lane]:
        rows: Sequence[Row[*tuple[Any, ...]]] = self._connection.execute(query).all()
        return [Lane(LaneKey(self._account_id, row.stream_id, row.lane), row.cursor) for row in rows]
