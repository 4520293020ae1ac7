"""Streams, by account: which of them take events, their status, and their backlog."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)

from riskrelay.core.delivery.lanes import MAX_READ_EVENTS, LaneKey
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import (
    Party,
    Stream,
    StreamId,
    StreamStatus,
)
from riskrelay.core.ssf.subject_filters import SubjectFilter, SubjectStatement
from riskrelay.storage.delivery.backlog import cancel_lane, continue_cancelling
from riskrelay.storage.delivery.clock import cutoff
from riskrelay.storage.delivery.stream_rows import configuration_columns, select_streams, stream_from
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.tables import (
    IS_PENDING,
    held_events,
    integrations,
    lanes,
    streams,
    subject_statements,
)
from riskrelay.storage.times import database_now

# Shared lock: an integration that is being deleted must not get an event after its backlog was cancelled. Events for a
# stream that its receiver disabled are queued and cancelled; a disabled implicit stream gets none.
_TAKING_EVENTS = Prepared(
    select_streams()
    .where(
        streams.c.account_id == bindparam("account"),
        streams.c.deleted_at.is_(None),
        integrations.c.active,
        integrations.c.deleted_at.is_(None),
        or_(streams.c.status != StreamStatus.DISABLED.value, streams.c.audience.is_not(None)),
    )
    .order_by(streams.c.stream_id)
    .with_for_update(read=True)
)
_OF_INTEGRATION = (
    select_streams()
    .where(
        streams.c.account_id == bindparam("account"),
        streams.c.integration_id == bindparam("integration"),
        streams.c.deleted_at.is_(None),
        integrations.c.deleted_at.is_(None),
    )
    .order_by(streams.c.created_at, streams.c.stream_id)
)
_ONE = select_streams().where(
    streams.c.account_id == bindparam("account"),
    streams.c.stream_id == bindparam("stream"),
    streams.c.deleted_at.is_(None),
    integrations.c.deleted_at.is_(None),
)
_STATEMENTS = select(
    subject_statements.c.stream_id,
    subject_statements.c.subject,
    subject_statements.c.is_removed,
    subject_statements.c.position,
).where(
    subject_statements.c.account_id == bindparam("account"),
    subject_statements.c.stream_id.in_(bindparam("stream_ids", expanding=True)),
)


_WAITS = (
    select(held_events.c.seq)
    .where(
        held_events.c.account_id == lanes.c.account_id,
        held_events.c.stream_id == lanes.c.stream_id,
        held_events.c.lane == lanes.c.lane,
        IS_PENDING,
    )
    .correlate(lanes)
    .exists()
)
ANYTHING_WAITS = or_(lanes.c.last_seq > lanes.c.cursor, _WAITS)
_DUE_IF_ANYTHING_WAITS = case((ANYTHING_WAITS, database_now()), else_=None)
_UNDELIVERED = select(lanes.c.account_id, lanes.c.stream_id, lanes.c.lane).where(
    tuple_(lanes.c.account_id, lanes.c.stream_id).in_(bindparam("named", expanding=True)), ANYTHING_WAITS
)


def undelivered_lanes(connection: Connection, named: Sequence[tuple[AccountId, StreamId]]) -> list[LaneKey]:
    """List the lanes of the *named* streams that have something undelivered."""
    rows = connection.execute(_UNDELIVERED, {"named": [*named]})
    return [LaneKey(AccountId(row.account_id), StreamId(row.stream_id), row.lane) for row in rows]


def is_idle(since: int) -> ColumnElement[bool]:
    """Build the condition of idle streams: enabled streams of receivers without activity and without a delivered event.

    Args:
        since: the start of the idle time, by the watched clock (`clock.cutoff`).
    """
    of_stream = and_(lanes.c.account_id == streams.c.account_id, lanes.c.stream_id == streams.c.stream_id)
    return and_(
        streams.c.audience.is_not(None),
        streams.c.deleted_at.is_(None),
        streams.c.status == StreamStatus.ENABLED.value,
        streams.c.active_at <= since,
        ~exists().where(of_stream, lanes.c.delivered_at > since),
    )


def since_when(status: StreamStatus) -> ColumnElement[int]:
    """Build the time at which a stream got *status*. Writing the same status again does not change it."""
    return case((streams.c.status != status.value, database_now()), else_=streams.c.status_at)


def lock_stream(connection: Connection, account_id: AccountId, stream_id: StreamId) -> None:
    """Lock a stream.

    A transaction does this before it locks several of its lanes, so that two of them cannot deadlock.
    """
    query = select(streams.c.stream_id).where(streams.c.account_id == account_id, streams.c.stream_id == stream_id)
    connection.execute(query.with_for_update())


class StreamRows:
    """Implements ports.Streams."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, stream: Stream) -> None:
        self._connection.execute(
            insert(streams).values(
                account_id=self._account_id,
                stream_id=stream.stream_id,
                integration_id=stream.integration.integration_id,
                status=stream.status.value,
                lanes=stream.lanes,
                active_at=database_now(),
                created_at=database_now(),
                **configuration_columns(stream.configuration),
            )
        )
        rows = [
            {"account_id": self._account_id, "stream_id": stream.stream_id, "lane": lane} for lane in stream.all_lanes
        ]
        self._connection.execute(insert(lanes), rows)

    def taking_events(self) -> list[Stream]:
        rows = _TAKING_EVENTS.rows(self._connection, {"account": self._account_id})
        said = self._filters([row.stream_id for row in rows if row.has_statements])
        found = [stream_from(row) for row in rows]
        return [replace(s, subjects=said[s.stream_id]) if s.stream_id in said else s for s in found]

    def _filters(self, stream_ids: Sequence[StreamId]) -> dict[StreamId, SubjectFilter]:
        """Read the receivers' statements about subjects, for the streams that have some."""
        if not stream_ids:
            return {}
        said: dict[StreamId, list[SubjectStatement]] = defaultdict(list)
        parameters = {"account": self._account_id, "stream_ids": stream_ids}
        for row in self._connection.execute(_STATEMENTS, parameters):
            statement = SubjectStatement(row.subject, row.is_removed, row.position)
            said[row.stream_id].append(statement)
        return {stream_id: SubjectFilter(statements) for stream_id, statements in said.items()}

    def of_integration(self, integration_id: IntegrationId) -> list[Stream]:
        parameters = {"account": self._account_id, "integration": integration_id}
        return [stream_from(row) for row in self._connection.execute(_OF_INTEGRATION, parameters)]

    def set_status(self, stream_id: StreamId, status: StreamStatus, reason: str | None, by: Party) -> None:
        self._connection.execute(
            update(streams)
            .where(streams.c.account_id == self._account_id, streams.c.stream_id == stream_id)
            .values(status=status.value, status_reason=reason, status_set_by=by.value, status_at=since_when(status))
        )

    def pause_if_idle(self, stream_id: StreamId, timeout: timedelta, reason: str) -> bool:
        since = cutoff(self._connection, timeout)
        paused = self._connection.execute(
            update(streams)
            .where(streams.c.account_id == self._account_id, streams.c.stream_id == stream_id, is_idle(since))
            .values(
                status=StreamStatus.PAUSED.value,
                status_reason=reason,
                status_set_by=Party.TRANSMITTER.value,
                status_at=database_now(),
            )
        )
        return paused.rowcount == 1

    def refresh_lanes(self, changed: Stream, *, is_fixed: bool) -> list[LaneKey]:
        lock_stream(self._connection, self._account_id, changed.stream_id)
        sent = [lane for lane in changed.all_lanes if not changed.is_silent(lane)]
        self._set_lanes(changed, [lane for lane in changed.all_lanes if lane not in sent], stopped=True)
        # A lane whose older events are still being cancelled starts when that is done.
        self._set_lanes(changed, sent, stopped=true() if changed.is_polled else lanes.c.cancel_through > 0)
        if is_fixed:
            self._start_afresh(changed, sent)
        return [LaneKey(self._account_id, changed.stream_id, lane) for lane in sent]

    def _start_afresh(self, changed: Stream, sent: Sequence[int]) -> None:
        """Clear all waits and failures, and ignore responses to attempts that began earlier."""
        # A settlement that read an older `edits` writes no wait and no failure.
        self._set_lanes(changed, changed.all_lanes, edits=lanes.c.edits + 1)
        self._set_lanes(changed, sent, blocked_until=0, failures=0, due_at=_DUE_IF_ANYTHING_WAITS)
        self._set_lanes(changed, changed.all_lanes, recent_answers="", rejecting=False)
        self._connection.execute(
            update(held_events)
            .where(
                held_events.c.account_id == self._account_id,
                held_events.c.stream_id == changed.stream_id,
                held_events.c.lane.in_(sent),
                IS_PENDING,
            )
            .values(due_at=0)
        )

    def start_coalescing(self, stream: Stream) -> None:
        lock_stream(self._connection, self._account_id, stream.stream_id)
        through = case(
            (lanes.c.last_seq > lanes.c.cursor + MAX_READ_EVENTS, lanes.c.cursor + MAX_READ_EVENTS),
            else_=lanes.c.last_seq,
        )
        self._set_lanes(stream, stream.all_lanes, admitted=through)

    def _set_lanes(self, stream: Stream, numbers: Sequence[int], **values: object) -> None:
        self._connection.execute(
            update(lanes)
            .where(
                lanes.c.account_id == self._account_id,
                lanes.c.stream_id == stream.stream_id,
                lanes.c.lane.in_(numbers),
            )
            .values(**values)
        )

    def cancel_backlog(self, stream: Stream, numbers: Collection[int], reason: str, at_most: int) -> int:
        lock_stream(self._connection, self._account_id, stream.stream_id)
        query = (
            select(lanes.c.lane)
            .where(
                lanes.c.account_id == self._account_id,
                lanes.c.stream_id == stream.stream_id,
                lanes.c.lane.in_(numbers),
            )
            .order_by(lanes.c.lane)
            .with_for_update()
        )
        cancelled = 0
        for row in self._connection.execute(query).all():
            key = LaneKey(self._account_id, stream.stream_id, row.lane)
            cancelled += cancel_lane(self._connection, key, reason, at_most - cancelled)
        return cancelled

    def continue_cancelling(self, key: LaneKey, at_most: int) -> list[LaneKey]:
        lock_stream(self._connection, self._account_id, key.stream_id)
        _, is_over = continue_cancelling(self._connection, key, at_most)
        if not is_over:
            return []
        row = self._connection.execute(_ONE, {"account": self._account_id, "stream": key.stream_id}).first()
        # A stream that was enabled meanwhile has waited for this.
        ready = [] if row is None else self.refresh_lanes(stream_from(row), is_fixed=False)
        return [lane for lane in ready if lane == key]
