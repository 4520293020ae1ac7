"""Streams as their receivers manage them, by account."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, bindparam, delete, exists, func, select, update

from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.streams import CONTROL_LANE, Stream, StreamId
from riskrelay.core.ssf.subject_filters import SubjectStatement
from riskrelay.core.ssf.subjects import subject_key
from riskrelay.storage.delivery.newest import lane_of_stream
from riskrelay.storage.delivery.stream_rows import IS_POLLED, configuration_columns, select_streams, stream_from
from riskrelay.storage.delivery.streams import ANYTHING_WAITS
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.statements import Insert, PerEngine
from riskrelay.storage.tables import integrations, streams, subject_statements
from riskrelay.storage.times import database_now, micros

_PRECISION = timedelta(minutes=1)  # chosen: the timeout is a month, and some receivers poll many times a second


def _is_due() -> ColumnElement[bool]:
    return streams.c.active_at <= database_now() - micros(_PRECISION)


def _upsert(inserting: Insert) -> Insert:
    return inserting.on_conflict_do_update(
        index_elements=list(subject_statements.primary_key.columns),
        set_={name: inserting.excluded[name] for name in ("is_removed", "position")},
    )


_SAVE_STATEMENT = PerEngine(subject_statements, _upsert)

_OF_RECEIVER = (
    streams.c.account_id == bindparam("account"),
    streams.c.stream_id == bindparam("stream"),
    streams.c.integration_id == bindparam("integration"),
    streams.c.audience.is_not(None),
    streams.c.deleted_at.is_(None),
    integrations.c.deleted_at.is_(None),
)
WAITS_IN = {lane: exists().where(lane_of_stream(lane), ANYTHING_WAITS) for lane in (CONTROL_LANE, 0)}
_GET = Prepared(select_streams().where(*_OF_RECEIVER))
_GET_LOCKED = Prepared(select_streams().where(*_OF_RECEIVER).with_for_update(of=streams))
_CAUGHT_UP = Prepared(
    select_streams()
    .with_only_columns(streams.c.stream_id)
    .where(
        *_OF_RECEIVER,
        IS_POLLED,
        ~_is_due(),
        # Streams have one lane besides their control lane. One with more would be read.
        streams.c.lanes == 1,
        *(~waits for waits in WAITS_IN.values()),
    )
)
"""Most polls find nothing. One statement answers them; all others read what they return."""


def is_caught_up(
    connection: Connection, account_id: AccountId, integration_id: IntegrationId, stream_id: StreamId
) -> bool:
    """Return whether a poll of that stream returns no event and writes nothing. See `Receivers.is_caught_up`."""
    return _CAUGHT_UP.first(connection, _parameters(account_id, integration_id, stream_id)) is not None


def _parameters(account_id: AccountId, integration_id: IntegrationId, stream_id: StreamId) -> dict[str, object]:
    return {"account": account_id, "integration": integration_id, "stream": stream_id}


class ReceiverStreamRows:
    """Implements ports.ReceiverStreams."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    def get(self, integration_id: IntegrationId, stream_id: StreamId) -> Stream | None:
        query = _GET_LOCKED if self._locking else _GET
        row = query.first(self._connection, _parameters(self._account_id, integration_id, stream_id))
        return None if row is None else stream_from(row)

    def save(self, stream: Stream) -> None:
        self._connection.execute(self._update(stream.stream_id).values(**configuration_columns(stream.configuration)))

    def delete(self, stream_id: StreamId, at: datetime) -> None:
        self._connection.execute(self._update(stream_id).values(deleted_at=at))

    def note_activity(self, stream_id: StreamId) -> None:
        self._connection.execute(self._update(stream_id).where(_is_due()).values(active_at=database_now()))

    def is_activity_due(self, stream_id: StreamId) -> bool:
        of_stream = (streams.c.account_id == self._account_id) & (streams.c.stream_id == stream_id)
        return self._connection.execute(select(streams.c.stream_id).where(of_stream, _is_due())).first() is not None

    def may_verify(self, stream_id: StreamId, interval: timedelta) -> bool:
        noted = self._connection.execute(
            self._update(stream_id)
            .where(streams.c.verified_at <= database_now() - micros(interval))
            .values(verified_at=database_now())
        )
        return noted.rowcount == 1

    def statements(self, stream_id: StreamId) -> list[SubjectStatement]:
        query = select(
            subject_statements.c.subject, subject_statements.c.is_removed, subject_statements.c.position
        ).where(self._of(stream_id))
        return [SubjectStatement(row.subject, row.is_removed, row.position) for row in self._connection.execute(query)]

    def state(self, stream_id: StreamId, subject: Mapping[str, Any], is_removed: bool | None) -> None:
        key = subject_key(subject)
        digest = sha256(key.encode()).hexdigest()
        if is_removed is None:
            self._connection.execute(
                delete(subject_statements).where(self._of(stream_id), subject_statements.c.subject_hash == digest)
            )
        else:
            last = select(func.coalesce(func.max(subject_statements.c.position), 0) + 1).where(self._of(stream_id))
            self._connection.execute(
                _SAVE_STATEMENT.on(self._connection),
                {
                    "account_id": self._account_id,
                    "stream_id": stream_id,
                    "subject_hash": digest,
                    "subject": key,
                    "is_removed": is_removed,
                    "position": self._connection.execute(last).scalar_one(),
                },
            )
        remaining = select(subject_statements.c.stream_id).where(self._of(stream_id)).exists()
        self._connection.execute(self._update(stream_id).values(has_statements=remaining))

    def _of(self, stream_id: StreamId) -> ColumnElement[bool]:
        return (subject_statements.c.account_id == self._account_id) & (subject_statements.c.stream_id == stream_id)

    def _update(self, stream_id: StreamId) -> Update:
        return update(streams).where(streams.c.account_id == self._account_id, streams.c.stream_id == stream_id)
