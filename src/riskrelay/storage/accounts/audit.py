"""The audit log: rows are added, never changed and never removed."""

from datetime import datetime

from sqlalchemy import Connection, Row, select, tuple_

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.integrations import AccountId
from riskrelay.ports import AuditPlace
from riskrelay.storage.statements import BulkInsert
from riskrelay.storage.tables import INSTALLATION, audit_entries
from riskrelay.storage.times import number_of

_ADD = BulkInsert(
    audit_entries,
    *("account_id", "at", "entry_id", "actor_token_id", "actor_name", "actor_address"),
    *("verb", "kind", "thing_id", "note"),
)


class AuditRows:
    """Implements ports.Audit.

    Args:
        owner: the account; None: the installation.
    """

    def __init__(self, connection: Connection, owner: AccountId | None) -> None:
        self._connection = connection
        self._account_id = INSTALLATION if owner is None else owner

    def record(self, entry: AuditEntry) -> None:
        actor = (entry.actor.token_id, entry.actor.name, entry.actor.address)
        thing = (entry.verb.value, entry.kind.value, entry.thing_id, entry.note)
        _ADD.run(self._connection, [(self._account_id, number_of(entry.at), entry.entry_id, *actor, *thing)])

    def page(
        self,
        kind: Kind | None,
        after: AuditPlace | None,
        limit: int,
        *,
        verb: Verb | None = None,
        since: datetime | None = None,
    ) -> list[AuditEntry]:
        place = tuple_(audit_entries.c.at, audit_entries.c.entry_id)
        query = select(audit_entries).where(audit_entries.c.account_id == self._account_id)
        if kind is not None:
            query = query.where(audit_entries.c.kind == kind.value)
        if verb is not None:
            query = query.where(audit_entries.c.verb == verb.value)
        if since is not None:
            query = query.where(audit_entries.c.at >= since)
        if after is not None:
            query = query.where(place < after)
        newest_first = query.order_by(audit_entries.c.at.desc(), audit_entries.c.entry_id.desc()).limit(limit)
        return [_entry(row) for row in self._connection.execute(newest_first)]


def _entry(row: Row[*tuple[object, ...]]) -> AuditEntry:
    actor = Actor(row.actor_token_id, row.actor_name, row.actor_address)
    return AuditEntry(
        entry_id=row.entry_id,
        at=row.at,
        actor=actor,
        verb=Verb(row.verb),
        kind=Kind(row.kind),
        thing_id=row.thing_id,
        note=row.note,
    )
