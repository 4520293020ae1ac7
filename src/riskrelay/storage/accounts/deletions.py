"""Delete accounts in short steps. The tables come from the schema, so that a new one cannot be left out."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Table, and_, delete, exists, select, update

from riskrelay.core.integrations import AccountId
from riskrelay.ports import DeletedAccount
from riskrelay.storage.accounts.credentials import IS_DELETED
from riskrelay.storage.risk.erasures import delete_some
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import (
    access_tokens,
    accounts,
    audit_entries,
    clock_readings,
    console_sessions,
    deleted_accounts,
    integrations,
    lanes,
    metadata,
    receiver_credentials,
    source_credentials,
    streams,
    tokens,
)

_KEPT = (audit_entries, clock_readings, deleted_accounts, accounts)
# Credentials first, so that no client can write rows any more.
_CREDENTIALS = (console_sessions, tokens, access_tokens, receiver_credentials, source_credentials)
DELETED_TABLES: Sequence[Table] = (
    *_CREDENTIALS,
    # those that refer to others first
    *(
        table
        for table in reversed(metadata.sorted_tables)
        if "account_id" in table.columns and table not in (*_KEPT, *_CREDENTIALS)
    ),
)

_BEGIN = PerEngine(
    deleted_accounts,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[deleted_accounts.c.account_id],
        set_={"begun_at": insert.excluded.begun_at, "finished_at": None},
    ),
)


class AccountDeletionRows:
    """Implements ports.AccountDeletions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, account_id: AccountId, at: datetime) -> bool:
        query = select(accounts.c.account_id).where(accounts.c.account_id == account_id, ~IS_DELETED)
        if self._connection.execute(query.with_for_update()).first() is None:
            return False
        self._connection.execute(_BEGIN.on(self._connection), {"account_id": account_id, "begun_at": at})
        return True

    def all(self) -> Sequence[DeletedAccount]:
        rows = self._connection.execute(select(deleted_accounts).order_by(deleted_accounts.c.begun_at))
        return [
            DeletedAccount(account_id=AccountId(row.account_id), begun_at=row.begun_at, finished_at=row.finished_at)
            for row in rows
        ]

    def step(self, account_id: AccountId, limit: int, at: datetime) -> bool:
        mine = deleted_accounts.c.account_id == account_id
        # One process at a time; the others skip it.
        query = select(deleted_accounts).where(mine).with_for_update(skip_locked=True)
        row = self._connection.execute(query).first()
        if row is None or self._is_new(account_id, row.finished_at):
            return False
        left = limit - self._stop_streams(account_id, limit, at)
        for table in DELETED_TABLES:
            if left <= 0:
                return True
            left -= delete_some(self._connection, table, table.c.account_id == account_id, left)
        if left <= 0:
            return True
        self._connection.execute(delete(accounts).where(accounts.c.account_id == account_id))
        if row.finished_at is None:
            self._connection.execute(update(deleted_accounts).where(mine).values(finished_at=at))
        return left < limit

    def delete_finished(self) -> None:
        has_entries = exists().where(audit_entries.c.account_id == deleted_accounts.c.account_id)
        self._connection.execute(
            delete(deleted_accounts).where(deleted_accounts.c.finished_at.is_not(None), ~has_entries)
        )

    def _is_new(self, account_id: AccountId, finished_at: datetime | None) -> bool:
        """Return whether another account has the id of a deleted one. Its rows are its own."""
        query = select(accounts.c.account_id).where(accounts.c.account_id == account_id)
        return finished_at is not None and self._connection.execute(query).first() is not None

    def _stop_streams(self, account_id: AccountId, limit: int, at: datetime) -> int:
        """Mark integrations as deleted, and take their lanes, so that no worker sends another batch."""
        mine = (integrations.c.account_id == account_id) & integrations.c.deleted_at.is_(None)
        found = list(self._connection.execute(select(integrations.c.integration_id).where(mine).limit(limit)).scalars())
        for integration_id in found:
            of_it = (integrations.c.account_id == account_id) & (integrations.c.integration_id == integration_id)
            self._connection.execute(update(integrations).where(of_it).values(deleted_at=at))
            of_streams = select(streams.c.stream_id).where(
                streams.c.account_id == account_id, streams.c.integration_id == integration_id
            )
            self._connection.execute(
                update(lanes)
                .where(and_(lanes.c.account_id == account_id, lanes.c.stream_id.in_(of_streams)))
                .values(epoch=lanes.c.epoch + 1, lease_until=0, due_at=None, stopped=True)
            )
        return len(found)
