"""Replays, by account: set deliveries to pending again, a bounded number at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)

from riskrelay.core.delivery.attempts import Delivery, DeliveryState
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import (
    WINDOW_EVENTS,
    Replay,
    ReplayFilter,
    ReplayId,
    ReplayStep,
    room_in_batch,
    superseded_delivery,
)
from riskrelay.core.email_addresses import user_key
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.jobs import JobStatus
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.streams import CONTROL_LANE, StreamStatus
from riskrelay.storage.delivery.deliveries import ERASED, delivery_state, in_state, joined
from riskrelay.storage.delivery.events import SOONER
from riskrelay.storage.delivery.matching import is_wanted, matching_deliveries
from riskrelay.storage.delivery.newest import lane_parameters, of_lane, this_lane
from riskrelay.storage.delivery.putting_back import put_back
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import (
    IS_PENDING,
    events,
    held_events,
    integrations,
    lanes,
    replay_places,
    replay_users,
    replays,
    streams,
)

_START = {"stream_id": "", "lane": CONTROL_LANE, "seq": 0}
_OF_STREAM = (streams.c.account_id == lanes.c.account_id) & (streams.c.stream_id == lanes.c.stream_id)
_EXISTING = streams.c.deleted_at.is_(None)
_REPLAY_KEY = ("account_id", "replay_id")
_RUNNING_IN = (
    select(replays)
    .select_from(replay_places.join(replays, and_(*(replay_places.c[n] == replays.c[n] for n in _REPLAY_KEY))))
    .where(
        of_lane(replay_places),
        replay_places.c.seq < replay_places.c.last_seq,
        replays.c.status == JobStatus.RUNNING.value,
    )
    .order_by(replays.c.created_at)
    .limit(1)
)
_WAITING = select(func.count()).select_from(held_events).where(of_lane(held_events), IS_PENDING)
_FILLING = select(
    (lanes.c.last_seq > lanes.c.cursor).label("has_new"),
    _WAITING.scalar_subquery().label("waiting"),
    (lanes.c.cancel_through > 0).label("is_cancelling"),
).where(this_lane())
_OF_REPLAY_KEY = ("account_id", "replay_id")
_OF_PLACE = (streams.c.account_id == replay_places.c.account_id) & (streams.c.stream_id == replay_places.c.stream_id)
_OF_INTEGRATION = (integrations.c.account_id == streams.c.account_id) & (
    integrations.c.integration_id == streams.c.integration_id
)
_IS_SENT = (streams.c.status == StreamStatus.ENABLED.value) & integrations.c.active & integrations.c.paused_at.is_(None)
_OF_REPLAY = (replays.c.account_id == bindparam("account")) & (replays.c.replay_id == bindparam("replay"))
_LOCK_REPLAY = select(replays.c.status).where(_OF_REPLAY).with_for_update()
_UNFINISHED = (
    select(*(replay_places.c[name] for name in ("stream_id", "lane", "seq", "last_seq")), _IS_SENT.label("is_sent"))
    .select_from(replay_places.join(streams, _OF_PLACE).join(integrations, _OF_INTEGRATION))
    .where(
        replay_places.c.account_id == bindparam("account"),
        replay_places.c.replay_id == bindparam("replay"),
        replay_places.c.seq < replay_places.c.last_seq,
        _EXISTING,
        streams.c.status != StreamStatus.DISABLED.value,
        integrations.c.deleted_at.is_(None),
    )
    .order_by(replay_places.c.stream_id, replay_places.c.lane)
)
_STREAM_IS_SENT = (
    select(_IS_SENT)
    .select_from(streams.join(integrations, _OF_INTEGRATION))
    .where(streams.c.account_id == bindparam("account"), streams.c.stream_id == bindparam("stream"))
)
_LOCK_LANE = select(lanes.c.cursor).where(this_lane()).with_for_update()
_MOVE = (
    update(replay_places)
    .where(of_lane(replay_places), replay_places.c.replay_id == bindparam("replay"))
    .values(seq=bindparam("reached", type_=BigInteger))
)
_ADD_USERS = BulkInsert(replay_users, "account_id", "replay_id", "email_key")
_USERS_OF_REPLAY = select(replay_users.c.email_key).where(
    replay_users.c.account_id == bindparam("account"), replay_users.c.replay_id == bindparam("replay")
)
_COUNT = update(replays).where(_OF_REPLAY).values(replayed=replays.c.replayed + bindparam("more", type_=BigInteger))


def replay_from(row: Row[*tuple[Any, ...]]) -> Replay:
    """Build a replay from a row of its table."""
    wanted = ReplayFilter(
        state=DeliveryState(row.state), reason=row.reason, queued_from=row.queued_from, queued_to=row.queued_to
    )
    status = JobStatus(row.status)
    return Replay(
        replay_id=row.replay_id,
        integration_id=row.integration_id,
        filter=wanted,
        listed=row.listed,
        status=status,
        total=row.total,
        replayed=row.replayed,
        created_at=row.created_at,
    )


class ReplayRows:
    """Implements ports.Replays."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    def add(self, replay: Replay) -> None:
        self._connection.execute(
            insert(replays).values(
                account_id=self._account_id,
                replay_id=replay.replay_id,
                integration_id=replay.integration_id,
                status=replay.status.value,
                state=replay.filter.state.value,
                reason=replay.filter.reason,
                queued_from=replay.filter.queued_from,
                queued_to=replay.filter.queued_to,
                listed=replay.listed,
                total=replay.total,
                replayed=replay.replayed,
                created_at=replay.created_at,
                **_START,
            )
        )
        beginnings = (
            select(
                *(lanes.c.account_id, literal(replay.replay_id), lanes.c.stream_id, lanes.c.lane),
                *(literal(0), lanes.c.last_seq),
            )
            .select_from(lanes.join(streams, _OF_STREAM))
            .where(lanes.c.account_id == self._account_id, streams.c.integration_id == replay.integration_id, _EXISTING)
        )
        self._connection.execute(insert(replay_places).from_select(list(replay_places.columns.keys()), beginnings))
        keys = sorted({user_key(email) for email in replay.filter.users or ()})
        _ADD_USERS.run(self._connection, [(self._account_id, replay.replay_id, key) for key in keys])

    def get(self, integration_id: IntegrationId, replay_id: ReplayId) -> Replay | None:
        query = select(replays).where(self._one(replay_id), replays.c.integration_id == integration_id)
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else replay_from(row)

    def all(self, integration_id: IntegrationId, limit: int) -> list[Replay]:
        query = (
            select(replays)
            .where(replays.c.account_id == self._account_id, replays.c.integration_id == integration_id)
            .order_by(replays.c.created_at.desc(), replays.c.replay_id)
            .limit(limit)
        )
        return [replay_from(row) for row in self._connection.execute(query)]

    def set_status(self, replay_id: ReplayId, status: JobStatus) -> None:
        self._connection.execute(update(replays).where(self._one(replay_id)).values(status=status.value))
        if status.is_over:
            for table in (replay_places, replay_users):
                of_replay = (table.c.account_id == self._account_id) & (table.c.replay_id == replay_id)
                self._connection.execute(delete(table).where(of_replay))

    def matching(self, integration_id: IntegrationId, wanted: ReplayFilter, sample: int) -> tuple[int, list[Delivery]]:
        return matching_deliveries(self._connection, self._account_id, integration_id, wanted, sample=sample)

    def running_in(self, lane: LaneKey) -> Replay | None:
        row = self._connection.execute(_RUNNING_IN, lane_parameters(lane)).first()
        return None if row is None else replay_from(row)

    def lanes_left(self, replay: Replay) -> list[LaneKey]:
        places = self._unfinished(replay)
        return [LaneKey(self._account_id, place.stream_id, place.lane) for place in places if place.is_sent]

    def lock(self, replay: Replay) -> bool:
        row = self._connection.execute(_LOCK_REPLAY, self._named(replay)).first()
        return row is not None and row.status == JobStatus.RUNNING.value

    def step(self, replay: Replay, lane: LaneKey | None = None) -> tuple[ReplayStep, list[LaneKey]]:
        if not self.lock(replay):
            return ReplayStep(has_moved=False), []
        places = self._unfinished(replay)
        if not places:
            self.set_status(replay.replay_id, JobStatus.COMPLETED)
            return ReplayStep(is_over=True), []
        for place in places:
            key = LaneKey(self._account_id, place.stream_id, place.lane)
            if lane not in (None, key):
                continue
            room = self._room(key) if place.is_sent else 0
            if room > 0 and self._lock_sent(key):
                return self._step_in(replay, key, place, room)
        return ReplayStep(has_moved=False), []

    def _step_in(
        self, replay: Replay, key: LaneKey, place: Row[*tuple[Any, ...]], room: int
    ) -> tuple[ReplayStep, list[LaneKey]]:
        """Continue a replay in one lane, which is locked."""
        end = min(place.seq + WINDOW_EVENTS, place.last_seq)
        seqs = self._next(key, self._complete(replay), place.seq, end, limit=room)
        put_back(self._connection, key, replay.filter.state, seqs)
        self._move(replay, key, seqs[-1] if len(seqs) == room else end, len(seqs))
        return ReplayStep(len(seqs)), [key] if seqs else []

    def retry(self, integration_id: IntegrationId, jti: Jti) -> list[LaneKey] | None:
        found = self._place_of(integration_id, jti)
        if found is None:
            return None
        key = LaneKey(self._account_id, found.stream_id, found.lane)
        self._lock(key)
        state = self._state_of(key, found.seq)
        if state is DeliveryState.SUPERSEDED:
            raise superseded_delivery()
        if state is DeliveryState.PENDING:
            self._hurry(key, found.seq)
        else:
            put_back(self._connection, key, state, [found.seq])
        return [key]

    def _complete(self, replay: Replay) -> ReplayFilter:
        """Return the filter of a stored replay with its listed users, of whom an erasure may have removed some."""
        if replay.listed is None:
            return replay.filter
        keys = self._connection.execute(_USERS_OF_REPLAY, self._named(replay)).scalars().all()
        return replace(replay.filter, users=keys)

    def _one(self, replay_id: ReplayId) -> ColumnElement[bool]:
        return (replays.c.account_id == self._account_id) & (replays.c.replay_id == replay_id)

    def _named(self, replay: Replay) -> dict[str, object]:
        return {"account": self._account_id, "replay": replay.replay_id}

    def _unfinished(self, replay: Replay) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the lanes where a replay has events left, in order, without the lanes of disabled streams."""
        return self._connection.execute(_UNFINISHED, self._named(replay)).all()

    def _lock_sent(self, key: LaneKey) -> bool:
        """Lock a lane, and return whether its stream is still sent."""
        self._lock(key)
        return bool(self._connection.execute(_STREAM_IS_SENT, lane_parameters(key)).scalar_one())

    def _lock(self, key: LaneKey) -> None:
        """Lock a lane, so that a settlement of it waits and then reads the changes of this transaction."""
        self._connection.execute(_LOCK_LANE, lane_parameters(key))

    def _room(self, key: LaneKey) -> int:
        """Return how many events may be put back into a lane now."""
        filling = self._connection.execute(_FILLING, lane_parameters(key)).one()
        return 0 if filling.is_cancelling else room_in_batch(filling.waiting, has_new=filling.has_new)

    def _next(self, key: LaneKey, wanted: ReplayFilter, after: int, end: int, limit: int) -> list[int]:
        """Return the numbers of the next deliveries that match, in order."""
        query = (
            select(events.c.seq)
            .select_from(joined())
            .where(
                of_lane(events), events.c.seq > after, events.c.seq <= end, in_state(wanted.state), is_wanted(wanted)
            )
            .order_by(events.c.seq)
            .limit(limit)
        )
        return list(self._connection.execute(query, lane_parameters(key)).scalars())

    def _move(self, replay: Replay, key: LaneKey, seq: int, count: int) -> None:
        self._connection.execute(_MOVE, {**lane_parameters(key), **self._named(replay), "reached": seq})
        self._connection.execute(_COUNT, {**self._named(replay), "more": count})

    def _place_of(self, integration_id: IntegrationId, jti: Jti) -> Row[*tuple[Any, ...]] | None:
        """Find the lane and number of a delivery. Held events are searched first, because they are few."""
        query = (
            select(events.c.stream_id, events.c.lane, events.c.seq)
            .select_from(joined())
            .where(
                events.c.account_id == self._account_id,
                streams.c.integration_id == integration_id,
                _EXISTING,
                events.c.jti == jti,
                events.c.subject_key != ERASED,
            )
        )
        for among in (held_events.c.seq.is_not(None), true()):
            row = self._connection.execute(query.where(among)).first()
            if row is not None:
                return row
        return None

    def _state_of(self, key: LaneKey, seq: int) -> DeliveryState:
        """Return the state of a delivery of a locked lane."""
        query = select(delivery_state).select_from(joined()).where(of_lane(events), events.c.seq == seq)
        return DeliveryState(self._connection.execute(query, lane_parameters(key)).scalar_one())

    def _hurry(self, key: LaneKey, seq: int) -> None:
        """Make a pending delivery due now."""
        parameters = lane_parameters(key)
        self._connection.execute(
            update(held_events).where(of_lane(held_events), held_events.c.seq == seq).values(due_at=0), parameters
        )
        self._connection.execute(
            update(lanes).where(this_lane()).values(replayed=lanes.c.replayed + 1, due_at=SOONER), parameters
        )
