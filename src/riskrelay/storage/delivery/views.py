"""Deliveries for the console: pages of a long log, the newest of many lanes, groups of dead letters.

Every statement is bounded and uses an index, for a log of any length. A state is searched in windows of the log: the
next page continues where a window ended.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Row, Select, and_, bindparam, func, literal_column, select, tuple_

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports import DeadLetters, DeliveryPage, EventPlace, Glance, LanePlaces, ReasonPlace, Sent
from riskrelay.storage.delivery.deliveries import EVENT_KEY, read_deliveries
from riskrelay.storage.delivery.newest import lane_parameters, of_lane
from riskrelay.storage.delivery.stream_rows import select_streams, stream_from
from riskrelay.storage.tables import events, held_events, integrations, lanes, streams
from riskrelay.storage.times import moment

_WINDOW = 2_000  # guessed: some milliseconds; a rarer state takes one more click
_LANES = 64  # guessed: an integration has one or a few
_LIVELIEST = 10  # guessed: lanes that are scanned for the newest of a whole account, for each of two orders
_COUNTED = 1_000_000  # measured: 0.12 s of the index; larger counts are shown as "more than"
_NEWEST = 2**62

_IS_HELD = and_(*(held_events.c[name] == events.c[name] for name in EVENT_KEY))
_SEEN = (events.c.seq, events.c.queued_at, held_events.c.state)
_BELOW, _MANY = bindparam("below", type_=BigInteger), bindparam("many", type_=BigInteger)
_LOG = (
    select(*_SEEN)
    .select_from(events.outerjoin(held_events, _IS_HELD))
    .where(of_lane(events), events.c.seq < _BELOW)
    .order_by(events.c.seq.desc())
    .limit(_MANY)
)
_HELD = (
    select(*_SEEN)
    .select_from(held_events.join(events, _IS_HELD))
    .where(of_lane(held_events), held_events.c.seq < _BELOW)
    .order_by(held_events.c.seq.desc())
    .limit(_MANY)
)
_CLAIMS = select(events.c.seq, events.c.claims).where(
    of_lane(events), events.c.seq.in_(bindparam("numbers", expanding=True))
)

_OF_STREAM = and_(*(lanes.c[name] == streams.c[name] for name in ("account_id", "stream_id")))
_OF_INTEGRATION = and_(*(streams.c[name] == integrations.c[name] for name in ("account_id", "integration_id")))
_TRIED = (lanes.c.failures, lanes.c.rejecting, lanes.c.last_reason, lanes.c.attempted_at)
_EXISTING = streams.c.deleted_at.is_(None) & integrations.c.deleted_at.is_(None)

# A literal, not a parameter: both engines use the partial index only for a literal.
_IS_DEAD = held_events.c.state == literal_column("'dead'")
_BY_REASON = tuple_(held_events.c.stream_id, held_events.c.reason)
_NEXT_REASON = (
    select(held_events.c.stream_id, held_events.c.reason)
    .where(
        held_events.c.account_id == bindparam("account"),
        _IS_DEAD,
        tuple_(bindparam("stream"), bindparam("reason")) < _BY_REASON,
    )
    .order_by(held_events.c.stream_id, held_events.c.reason)
    .limit(1)
)
_OF_REASON = (
    (held_events.c.account_id == bindparam("account"))
    & _IS_DEAD
    & (held_events.c.stream_id == bindparam("stream"))
    & (held_events.c.reason == bindparam("reason"))
)
_FEW = select(held_events.c.seq).where(_OF_REASON).limit(_COUNTED + 1).subquery()
_HOW_MANY = select(func.count()).select_from(_FEW).scalar_subquery()
_LATEST_DEAD = (
    select(events.c.lane, events.c.seq, events.c.queued_at, _HOW_MANY.label("many"))
    .select_from(held_events.join(events, _IS_HELD))
    .where(_OF_REASON)
    .order_by(held_events.c.lane.desc(), held_events.c.seq.desc())
    .limit(1)
)
_BEHIND_ALL = "\U0010ffff"


class _Lane(NamedTuple):
    key: LaneKey
    cursor: int

    @property
    def name(self) -> str:
        return f"{self.key.stream_id}.{self.key.lane}"


@dataclass(frozen=True, slots=True)
class _Scan:
    """The deliveries found in one lane.

    Attributes:
        found: numbers and times, newest first.
        end: the lowest number that was scanned; 0: the log has no older events.
    """

    lane: _Lane
    found: Sequence[tuple[datetime, int]]
    end: int


class DeliveryViewRows:
    """Implements ports.DeliveryViews."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def page(
        self, integration_id: IntegrationId, state: DeliveryState | None, behind: LanePlaces, limit: int
    ) -> DeliveryPage:
        scans = [
            self._scan(lane, state, behind.get(lane.name, _NEWEST), limit) for lane in self._lanes_of(integration_id)
        ]
        shown = _newest(scans, limit)
        return DeliveryPage(self._read(integration_id, shown), _older(scans, shown, behind))

    def latest(self, integration_id: IntegrationId | None, state: DeliveryState | None, limit: int) -> list[Sent]:
        found = self._liveliest() if integration_id is None else self._lanes_of(integration_id)
        shown = _newest([self._scan(lane, state, _NEWEST, limit) for lane in found], limit)
        known = self._streams({lane.key.stream_id for lane, _ in shown})
        by_integration: dict[IntegrationId, list[tuple[_Lane, int]]] = defaultdict(list)
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
        lane = _Lane(LaneKey(self._account_id, place.stream_id, place.lane), 0)
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

    def _scan(self, lane: _Lane, state: DeliveryState | None, below: int, limit: int) -> _Scan:
        """Return the newest deliveries of a lane in a state: *limit* + 1 of them, or fewer if the window has fewer."""
        cursor = lane.cursor
        if state is None:
            return self._window(lane, _LOG, below, limit + 1, fits=lambda row: True)
        if state is DeliveryState.DELIVERED:
            return self._window(lane, _LOG, min(below, cursor + 1), _WINDOW, fits=lambda row: row.state is None)
        held = self._window(lane, _HELD, min(below, cursor + 1), _WINDOW, fits=lambda row: row.state == state.value)
        if state is not DeliveryState.PENDING or below <= cursor + 1:
            return held
        above = self._window(lane, _LOG, below, limit + 1, fits=lambda row: row.seq > cursor)
        return _Scan(lane, [*above.found, *held.found], held.end)

    def _window(
        self, lane: _Lane, statement: Select[*tuple[Any, ...]], below: int, many: int, fits: Callable[[Any], bool]
    ) -> _Scan:
        parameters = {**lane_parameters(lane.key), "below": below, "many": many}
        rows = self._connection.execute(statement, parameters).all()
        found = [(row.queued_at, row.seq) for row in rows if fits(row)]
        return _Scan(lane, found, rows[-1].seq if len(rows) == many else 0)

    def _read(self, integration_id: IntegrationId, places: Iterable[tuple[_Lane, int]]) -> list[Delivery]:
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

    def _lanes_of(self, integration_id: IntegrationId) -> list[_Lane]:
        query = self._lanes().where(streams.c.integration_id == integration_id)
        return self._read_lanes(query.order_by(lanes.c.stream_id, lanes.c.lane).limit(_LANES))

    def _liveliest(self) -> list[_Lane]:
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

    def _read_lanes(self, query: Select[*tuple[Any, ...]]) -> list[_Lane]:
        rows: Sequence[Row[*tuple[Any, ...]]] = self._connection.execute(query).all()
        return [_Lane(LaneKey(self._account_id, row.stream_id, row.lane), row.cursor) for row in rows]


def _newest(scans: Sequence[_Scan], limit: int) -> list[tuple[_Lane, int]]:
    """Return the newest deliveries of several lanes."""
    found = [(at, seq, scan.lane) for scan in scans for at, seq in scan.found]
    found.sort(key=lambda one: (one[0], one[1]), reverse=True)
    return [(lane, seq) for _, seq, lane in found[:limit]]


def _older(scans: Sequence[_Scan], shown: Sequence[tuple[_Lane, int]], behind: LanePlaces) -> Mapping[str, int] | None:
    """Return where the page after *shown* starts in each lane; None: *shown* is the last page."""
    numbers: dict[LaneKey, set[int]] = defaultdict(set)
    for lane, seq in shown:
        numbers[lane.key].add(seq)
    places = {}
    for scan in scans:
        mine = numbers[scan.lane.key]
        is_all_shown = len(mine) == len(scan.found)
        lowest = min(mine, default=behind.get(scan.lane.name, _NEWEST))
        places[scan.lane.name] = scan.end if is_all_shown else lowest
    return places if any(places.values()) else None
