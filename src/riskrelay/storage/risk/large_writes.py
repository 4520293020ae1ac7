"""The large write of an account, in parts."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, false, func, or_, select, text, true, update

from riskrelay.core.integrations import AccountId
from riskrelay.ports import LEASE, LargeWriteLost, Writes
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.statements import BulkInsert, PerEngine
from riskrelay.storage.tables import large_write_parts, large_writes
from riskrelay.storage.times import database_now, micros

# Of PostgreSQL. Transactions that rely on there being no large write share the lock; the one that begins a large write
# waits for them. The first number identifies the purpose of the lock.
_RELY = text("SELECT pg_advisory_xact_lock_shared(7412034, hashtext(:account))")
_EXCLUDE = text("SELECT pg_advisory_xact_lock(7412034, hashtext(:account))")

_UNTIL = database_now() + micros(LEASE)
# A lease that ends later than any can was given before the database's clock was put back.
_IS_OVER = or_(large_writes.c.lease_until < database_now(), large_writes.c.lease_until > _UNTIL)
_OF_ACCOUNT = large_writes.c.account_id == bindparam("account")
_PART_OF_ACCOUNT = large_write_parts.c.account_id == bindparam("account")
_IS_OWN = large_writes.c.owner == bindparam("holder")

_RUNNING = Prepared(select(large_writes.c.account_id).where(_OF_ACCOUNT))
_BEGIN = PerEngine(large_writes, lambda insert: insert.on_conflict_do_nothing())
_RENEW = update(large_writes).where(_OF_ACCOUNT, _IS_OWN).values(lease_until=_UNTIL)
_ACCEPT = _RENEW.values(accepted=true())
_TAKE_OVER = (
    update(large_writes)
    .where(_OF_ACCOUNT, _IS_OVER, large_writes.c.accepted == true())
    .values(owner=bindparam("holder"), lease_until=_UNTIL)
)
_ADD_PARTS = BulkInsert(large_write_parts, "account_id", "number", "writes")
_FIRST = select(func.min(large_write_parts.c.number)).where(_PART_OF_ACCOUNT).scalar_subquery()
_TAKE_PART = (
    delete(large_write_parts)
    .where(_PART_OF_ACCOUNT, large_write_parts.c.number == _FIRST)
    .returning(large_write_parts.c.number, large_write_parts.c.writes)
)
# Most parts are taken long before the lease ends. They need no renewal, which costs as much as a statement of rows.
# A process that takes over in spite of that waits for the row of this part, and then takes the next one.
_TAKE_PART_IN_TIME = _TAKE_PART.where(
    select(large_writes.c.account_id)
    .where(_OF_ACCOUNT, _IS_OWN, large_writes.c.lease_until.between(database_now() + micros(LEASE / 2), _UNTIL))
    .exists()
)
_DROP_PARTS = delete(large_write_parts).where(_PART_OF_ACCOUNT)
_END = delete(large_writes).where(_OF_ACCOUNT)
_ABANDONED = select(large_writes.c.account_id).where(_OF_ACCOUNT, _IS_OVER, large_writes.c.accepted == false())

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Writes)


class LargeWriteRows:
    """Implements ports.LargeWrites."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._locking = locking and connection.dialect.name == "postgresql"
        self._account = {"account": account_id}

    def is_running(self) -> bool:
        if self._locking:
            self._connection.execute(_RELY, self._account)
        return _RUNNING.first(self._connection, self._account) is not None

    def begin(self, owner: str) -> bool:
        if self._locking:
            self._connection.execute(_EXCLUDE, self._account)
        self._remove_abandoned()
        row = {"account_id": self._account["account"], "owner": owner, "lease_until": 0, "accepted": False}
        added = self._connection.execute(_BEGIN.on(self._connection), row).rowcount == 1
        if added:
            self._renew(owner)
        return added

    def add_parts(self, owner: str, first: int, parts: Sequence[Writes]) -> None:
        self._renew(owner)
        account_id = self._account["account"]
        _ADD_PARTS.run(
            self._connection, [(account_id, number, _ENCODER.encode(part)) for number, part in enumerate(parts, first)]
        )

    def accept(self, owner: str) -> None:
        if self._connection.execute(_ACCEPT, {**self._account, "holder": owner}).rowcount == 0:
            raise LargeWriteLost

    def take_part(self, owner: str, held: Mapping[int, Writes]) -> Writes | None:
        row = self._connection.execute(_TAKE_PART_IN_TIME, {**self._account, "holder": owner}).first()
        if row is None:  # the lease ends soon, it is lost, or this was the last part
            self._renew(owner)
            row = self._connection.execute(_TAKE_PART, self._account).first()
        if row is None:
            self._connection.execute(_END, self._account)
            return None
        part = held.get(row.number)
        return _DECODER.decode(row.writes) if part is None else part

    def remove(self, owner: str) -> None:
        if self._connection.execute(_RENEW, {**self._account, "holder": owner}).rowcount:
            self._remove()

    def take_over(self, owner: str) -> bool:
        self._remove_abandoned()
        return self._connection.execute(_TAKE_OVER, {**self._account, "holder": owner}).rowcount == 1

    def _renew(self, owner: str) -> None:
        """Renew the owner's lease.

        Raises: LargeWriteLost.
        """
        if self._connection.execute(_RENEW, {**self._account, "holder": owner}).rowcount == 0:
            raise LargeWriteLost

    def _remove_abandoned(self) -> None:
        """Remove a write whose process died before it was accepted: its client has no answer and sends it again."""
        if self._connection.execute(_ABANDONED.with_for_update(), self._account).first() is not None:
            self._remove()

    def _remove(self) -> None:
        self._connection.execute(_DROP_PARTS, self._account)
        self._connection.execute(_END, self._account)


def accounts_with_abandoned_writes(connection: Connection, limit: int) -> list[AccountId]:
    """Return accounts whose large write belongs to a process that shows no sign of life."""
    query = select(large_writes.c.account_id).where(_IS_OVER).limit(limit)
    return [AccountId(row.account_id) for row in connection.execute(query)]
