"""Delete old records of all accounts, by the database's clock, in bounded steps."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    union,
)

from riskrelay.core.jobs import JobStatus
from riskrelay.ports import FindingIndexPlace, LevelChangePlace
from riskrelay.storage.delivery.clock import cutoff
from riskrelay.storage.risk.erasures import delete_some
from riskrelay.storage.tables import (
    INSTALLATION,
    access_tokens,
    accounts,
    attempts,
    audit_entries,
    bulk_resets,
    deleted_accounts,
    event_requests,
    events,
    findings,
    held_events,
    integrations,
    lanes,
    level_changes,
    receiver_credentials,
    refused_requests,
    replay_places,
    replay_users,
    replays,
    source_samples,
    streams,
    subject_statements,
)
from riskrelay.storage.times import moment

# Deleted accounts have audit entries left.
_OWNERS = union(
    select(accounts.c.account_id), select(deleted_accounts.c.account_id), select(literal(INSTALLATION))
).subquery()
_OVER = [status.value for status in JobStatus if status.is_over]
_OF_INTEGRATION = and_(*(streams.c[name] == integrations.c[name] for name in ("account_id", "integration_id")))
_OF_STREAM = (subject_statements, replay_places, lanes, streams)  # those that refer to others first
_OF_DELETED_INTEGRATION = (access_tokens, receiver_credentials, refused_requests, integrations)

# The columns of findings_user_index, in its order, so that only the index is read.
_FINDING_INDEX = tuple(findings.c[name] for name in ("account_id", "user_id", "resets", "occurred_at", "finding_id"))
_FINDING_PLACE = tuple_(*_FINDING_INDEX)
_READ_FOR_EACH = 10  # chosen: a step that deletes nothing reads a thousand entries of the index, about a millisecond
_DELETE_FINDING = delete(findings).where(
    findings.c.account_id == bindparam("account"), findings.c.finding_id == bindparam("finding")
)


class PurgingRows:
    """Implements ports.Purging."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def audit_entries(self, kept: timedelta, limit: int) -> int:
        return self._delete_oldest(audit_entries, audit_entries.c.at, kept, limit)

    def level_changes(self, kept: timedelta, after: LevelChangePlace | None, limit: int) -> LevelChangePlace | None:
        key = list(level_changes.primary_key.columns)
        query = select(*key).order_by(*key).limit(limit)
        if after is not None:
            place = [literal(part, column.type) for part, column in zip(after, key, strict=True)]
            query = query.where(tuple_(*key) > tuple_(*place))
        found = self._connection.execute(query).all()
        oldest = moment(cutoff(self._connection, kept))
        for row in found:
            if row.changed_at < oldest:
                is_row = and_(*(one == part for one, part in zip(key, row, strict=True)))
                self._connection.execute(delete(level_changes).where(is_row))
        return None if len(found) < limit else tuple(found[-1])

    def event_requests(self, kept: timedelta, limit: int) -> int:
        return self._delete_oldest(event_requests, event_requests.c.requested_at, kept, limit)

    def replays(self, kept: timedelta, limit: int) -> int:
        old = self._is_older(replays.c.created_at, kept) & replays.c.status.in_(_OVER)
        return self._delete_replays(old, limit)

    def bulk_resets(self, kept: timedelta, limit: int) -> int:
        over = bulk_resets.c.status.in_(_OVER)
        return self._delete_oldest(bulk_resets, bulk_resets.c.created_at, kept, limit, condition=over)

    def streams(self, kept: timedelta, limit: int) -> int:
        is_gone = or_(self._is_older(streams.c.deleted_at, kept), self._is_older(integrations.c.deleted_at, kept))
        is_empty = and_(*(~_rows_of_stream(table).exists() for table in (events, held_events, attempts)))
        found = self._connection.execute(
            select(streams.c.account_id, streams.c.stream_id)
            .select_from(streams.join(integrations, _OF_INTEGRATION))
            .where(is_gone, is_empty)
            .limit(limit)
        ).all()
        return self._delete_rows(
            (
                (table, (table.c.account_id == account_id) & (table.c.stream_id == stream_id))
                for account_id, stream_id in found
                for table in _OF_STREAM
            ),
            limit,
        )

    def samples(self, kept: timedelta, limit: int) -> int:
        return self._delete_oldest(source_samples, source_samples.c.at, kept, limit)

    def findings(self, kept: timedelta, after: FindingIndexPlace | None, limit: int) -> FindingIndexPlace | None:
        before = moment(cutoff(self._connection, kept))
        query = select(*_FINDING_INDEX) if after is None else select(*_FINDING_INDEX).where(after < _FINDING_PLACE)
        rows = self._connection.execute(query.order_by(*_FINDING_INDEX).limit(_READ_FOR_EACH * limit)).all()
        old = [row for row in rows if row.occurred_at < before][:limit]
        if old:
            keys = [{"account": row.account_id, "finding": row.finding_id} for row in old]
            self._connection.execute(_DELETE_FINDING, keys)
        if len(rows) < _READ_FOR_EACH * limit and len(old) < limit:
            return None
        last = old[-1] if len(old) == limit else rows[-1]
        return (last.account_id, last.user_id, last.resets, last.occurred_at, last.finding_id)

    def integrations(self, kept: timedelta, limit: int) -> int:
        has_stream = select(streams.c.stream_id).where(_OF_INTEGRATION).correlate(integrations).exists()
        found = self._connection.execute(
            select(integrations.c.account_id, integrations.c.integration_id)
            .where(self._is_older(integrations.c.deleted_at, kept), ~has_stream)
            .limit(limit)
        ).all()
        left = limit
        for account_id, integration_id in found:
            # A replay can outlive its integration's streams. Then it has no lane left in which it could continue.
            of_it = (replays.c.account_id == account_id) & (replays.c.integration_id == integration_id)
            left -= self._delete_replays(of_it, left)
            left -= self._delete_rows(
                (
                    (table, (table.c.account_id == account_id) & (table.c.integration_id == integration_id))
                    for table in _OF_DELETED_INTEGRATION
                ),
                left,
            )
        return limit - left

    def _is_older(self, at: Column[Any], kept: timedelta) -> ColumnElement[bool]:
        """Build the condition that a time is set and longer ago than *kept*."""
        return type_coerce(at, BigInteger) < cutoff(self._connection, kept)

    def _delete_oldest(
        self, table: Table, at: Column[Any], kept: timedelta, limit: int, condition: ColumnElement[bool] | None = None
    ) -> int:
        """Delete rows of the first owner that has some so old: each statement follows an index of the owner's rows."""
        is_old = self._is_older(at, kept) if condition is None else self._is_older(at, kept) & condition
        of_owner = select(literal(1)).where(table.c.account_id == _OWNERS.c.account_id, is_old)
        owner = self._connection.execute(select(_OWNERS.c.account_id).where(of_owner.exists()).limit(1)).scalar()
        if owner is None:
            return 0
        key = list(table.primary_key.columns)
        oldest = select(*key).where(table.c.account_id == owner, is_old).order_by(at).limit(limit)
        return self._connection.execute(delete(table).where(tuple_(*key).in_(oldest))).rowcount

    def _delete_replays(self, condition: ColumnElement[bool], limit: int) -> int:
        found = self._connection.execute(
            select(replays.c.account_id, replays.c.replay_id).where(condition).limit(limit)
        ).all()
        return self._delete_rows(
            (
                (table, (table.c.account_id == account_id) & (table.c.replay_id == replay_id))
                for account_id, replay_id in found
                for table in (replay_places, replay_users, replays)
            ),
            limit,
        )

    def _delete_rows(self, conditions: Iterable[tuple[Table, ColumnElement[bool]]], limit: int) -> int:
        """Delete at most *limit* rows that match, in the order of *conditions*, which later calls continue."""
        left = limit
        for table, condition in conditions:
            if left <= 0:
                break
            left -= delete_some(self._connection, table, condition, left)
        return limit - left


def _rows_of_stream(table: Table) -> Any:
    same = and_(*(table.c[name] == streams.c[name] for name in ("account_id", "stream_id")))
    return select(literal(1)).select_from(table).where(same).correlate(streams)
