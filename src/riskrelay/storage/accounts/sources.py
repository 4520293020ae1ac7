"""Sources, by account."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, or_, select, true, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.sources import (
    MAX_SAMPLES,
    MAX_SAMPLES_OF_REASON,
    Became,
    Counts,
    CredentialKind,
    Sample,
    Source,
    SourceCredential,
    SourceCredentialId,
    SourceId,
)
from riskrelay.storage.statements import Insert, PerEngine
from riskrelay.storage.tables import source_counts, source_credentials, source_samples, sources

_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED_HOURS = 7 * 24
_NOTED_EVERY = timedelta(minutes=1)  # so that a busy source's row is not written with each request


def _add(inserting: Insert) -> Insert:
    return inserting.on_conflict_do_update(
        index_elements=list(source_counts.primary_key.columns),
        set_={"events": source_counts.c.events + inserting.excluded.events},
    )


_COUNT = PerEngine(source_counts, _add)


class SourceRows:
    """Implements ports.Sources."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    @cached_property
    def _mine(self) -> ColumnElement[bool]:
        return sources.c.account_id == self._account_id

    def _of(self, table: Table, source_id: SourceId) -> ColumnElement[bool]:
        return (table.c.account_id == self._account_id) & (table.c.source_id == source_id)

    def add(self, source: Source) -> None:
        key = {"account_id": self._account_id, "source_id": source.source_id, "created_at": source.created_at}
        self._connection.execute(insert(sources).values(**key, kind=source.kind, **_changeable(source)))

    def update(self, source: Source) -> None:
        self._connection.execute(
            update(sources).where(self._of(sources, source.source_id)).values(**_changeable(source))
        )

    def delete(self, source_id: SourceId) -> None:
        for table in (source_samples, source_counts, source_credentials, sources):
            self._connection.execute(delete(table).where(self._of(table, source_id)))

    def get(self, source_id: SourceId) -> Source | None:
        query = select(sources).where(self._of(sources, source_id))
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else _source(row)

    def all(self) -> list[Source]:
        query = select(sources).where(self._mine).order_by(sources.c.created_at, sources.c.source_id)
        return [_source(row) for row in self._connection.execute(query)]

    def count(self) -> int:
        return self._connection.execute(select(func.count()).select_from(sources).where(self._mine)).scalar_one()

    def add_credential(self, source_id: SourceId, credential: SourceCredential) -> None:
        self._connection.execute(
            insert(source_credentials).values(
                account_id=self._account_id,
                source_id=source_id,
                credential_id=credential.credential_id,
                kind=credential.kind.value,
                secret_hash=credential.secret_hash,
                sealed_key=credential.sealed_key,
                created_at=credential.created_at,
            )
        )

    def credentials(self, source_id: SourceId) -> list[SourceCredential]:
        query = (
            select(source_credentials)
            .where(self._of(source_credentials, source_id))
            .order_by(source_credentials.c.created_at, source_credentials.c.credential_id)
        )
        return [
            SourceCredential(
                credential_id=SourceCredentialId(row.credential_id),
                kind=CredentialKind(row.kind),
                secret_hash=row.secret_hash,
                sealed_key=row.sealed_key,
                created_at=row.created_at,
            )
            for row in self._connection.execute(query)
        ]

    def revoke(self, source_id: SourceId, credential_ids: Collection[SourceCredentialId]) -> int:
        named = source_credentials.c.credential_id.in_(list(credential_ids))
        return self._connection.execute(
            delete(source_credentials).where(self._of(source_credentials, source_id), named)
        ).rowcount

    def note(self, source_id: SourceId, counts: Counts, at: datetime) -> None:
        hour = (at - _EPOCH) // _HOUR
        rows = [
            {
                "account_id": self._account_id,
                "source_id": source_id,
                "hour": hour,
                "became": became.value,
                "reason": "" if reason is None else reason.value,
                "events": events,
            }
            for (became, reason), events in sorted(counts.items(), key=str)  # one order: no two wait for each other
        ]
        noted = sources.c.last_event_at
        seen = self._connection.execute(
            update(sources)
            .where(self._of(sources, source_id), or_(noted.is_(None), noted < at - _NOTED_EVERY))
            .values(last_event_at=at)
        )
        if rows:
            self._connection.execute(_COUNT.on(self._connection), rows)
        if seen.rowcount:
            self._connection.execute(
                delete(source_counts).where(
                    self._of(source_counts, source_id), source_counts.c.hour < hour - _COUNTED_HOURS
                )
            )

    def counts(self, since: datetime, source_id: SourceId | None = None) -> Mapping[SourceId, Counts]:
        of_source = true() if source_id is None else source_counts.c.source_id == source_id
        query = (
            select(
                source_counts.c.source_id,
                source_counts.c.became,
                source_counts.c.reason,
                func.sum(source_counts.c.events).label("events"),
            )
            .where(
                source_counts.c.account_id == self._account_id,
                source_counts.c.hour >= (since - _EPOCH) // _HOUR,
                of_source,
            )
            .group_by(source_counts.c.source_id, source_counts.c.became, source_counts.c.reason)
            .order_by(source_counts.c.source_id, source_counts.c.became, source_counts.c.reason)
        )
        found: dict[SourceId, dict[tuple[Became, Reason | None], int]] = defaultdict(dict)
        for row in self._connection.execute(query):
            reason = Reason(row.reason) if row.reason else None
            found[SourceId(row.source_id)][Became(row.became), reason] = int(row.events)
        return found

    def samples(self, source_id: SourceId, since: datetime) -> list[Sample]:
        query = (
            select(source_samples)
            .where(self._of(source_samples, source_id), source_samples.c.at >= since)
            .order_by(source_samples.c.at.desc(), source_samples.c.sample_id.desc())
        )
        return [
            Sample(
                sample_id=row.sample_id,
                became=Became(row.became),
                reason=Reason(row.reason),
                pointer=row.pointer,
                detail=row.detail,
                at=row.at,
                sealed_event=row.sealed_event,
            )
            for row in self._connection.execute(query)
        ]

    def add_samples(self, source_id: SourceId, samples: Sequence[Sample], expired_before: datetime) -> None:
        mine = self._of(source_samples, source_id)
        self._connection.execute(delete(source_samples).where(mine, source_samples.c.at < expired_before))
        query = select(source_samples.c.reason, func.count()).where(mine).group_by(source_samples.c.reason)
        kept: dict[str, int] = {row[0]: row[1] for row in self._connection.execute(query)}
        room = MAX_SAMPLES - sum(kept.values())
        rows: list[dict[str, Any]] = []
        for sample in samples:
            if len(rows) < room and kept.get(sample.reason.value, 0) < MAX_SAMPLES_OF_REASON:
                kept[sample.reason.value] = kept.get(sample.reason.value, 0) + 1
                rows.append(
                    {
                        "account_id": self._account_id,
                        "source_id": source_id,
                        "sample_id": sample.sample_id,
                        "became": sample.became.value,
                        "reason": sample.reason.value,
                        "pointer": sample.pointer,
                        "detail": sample.detail,
                        "at": sample.at,
                        "sealed_event": sample.sealed_event,
                    }
                )
        if rows:
            self._connection.execute(insert(source_samples), rows)

    def delete_samples(self, source_id: SourceId, sample_ids: Collection[str]) -> None:
        named = source_samples.c.sample_id.in_(list(sample_ids))
        self._connection.execute(delete(source_samples).where(self._of(source_samples, source_id), named))


def _changeable(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "active": source.active,
        "mapping": None if source.mapping is None else source.mapping.decode(),
        "silent_after_seconds": None if source.silent_after is None else int(source.silent_after.total_seconds()),
    }


def _source(row: Row[*tuple[Any, ...]]) -> Source:
    silent_after = row.silent_after_seconds
    return Source(
        account_id=row.account_id,
        source_id=row.source_id,
        kind=row.kind,
        name=row.name,
        active=row.active,
        mapping=None if row.mapping is None else row.mapping.encode(),
        silent_after=None if silent_after is None else timedelta(seconds=silent_after),
        created_at=row.created_at,
        last_event_at=row.last_event_at,
    )
