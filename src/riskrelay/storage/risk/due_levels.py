"""Users of all accounts whose level must be decided again because time has passed."""

from sqlalchemy import BigInteger, Connection, bindparam, exists, insert, select, type_coerce, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.storage.delivery.clock import read_confirmed_now
from riskrelay.storage.tables import INSTALLATION, large_writes, level_pace, users
from riskrelay.storage.times import database_now

_IS_WRITTEN = exists().where(large_writes.c.account_id == users.c.account_id)
# Most scans find nothing, and read only the start of users_next_change_index.
_DUE = (
    select(users.c.account_id, users.c.user_id, users.c.next_change_at)
    .where(users.c.next_change_at.is_not(None), users.c.next_change_at <= database_now(), ~_IS_WRITTEN)
    .order_by(users.c.next_change_at)
    .limit(bindparam("limit"))
)
_SECOND = database_now() // 1_000_000
_PACE = select(level_pace.c.second, level_pace.c.users, _SECOND.label("now")).where(
    level_pace.c.account_id == INSTALLATION
)
_SPEND = (
    update(level_pace)
    .where(level_pace.c.account_id == INSTALLATION)
    .values(second=bindparam("now", type_=BigInteger), users=bindparam("spent"))
)


class DueLevelRows:
    """Implements ports.DueLevels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def users(self, limit: int) -> list[tuple[AccountId, UserId]]:
        rows = self._connection.execute(_DUE, {"limit": limit}).all()
        if not rows:
            return []
        now = read_confirmed_now(self._connection)
        return [(AccountId(row.account_id), UserId(row.user_id)) for row in rows if row.next_change_at <= now]

    def take_turn(self, wanted: int, per_second: int) -> int:
        row = self._connection.execute(_PACE.with_for_update()).first()
        if row is None:
            now = self._connection.execute(select(type_coerce(_SECOND, BigInteger))).scalar_one()
            self._connection.execute(
                insert(level_pace), {"account_id": INSTALLATION, "second": now, "users": min(wanted, per_second)}
            )
            return min(wanted, per_second)
        spent = row.users if row.second == row.now else 0
        granted = max(min(wanted, per_second - spent), 0)
        self._connection.execute(_SPEND, {"now": row.now, "spent": spent + granted})
        return granted
