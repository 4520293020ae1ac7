"""Users of all accounts whose level must be decided again because time has passed."""

from sqlalchemy import BigInteger, Connection, bindparam, exists, insert, select, type_coerce, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import DueUser
from riskrelay.storage.delivery.clock import read_confirmed_now
from riskrelay.storage.risk.rule_work import walking_accounts
from riskrelay.storage.tables import INSTALLATION, large_writes, level_pace, rule_work, rules, users
from riskrelay.storage.times import database_now, number_of

_IS_WRITTEN = exists().where(large_writes.c.account_id == users.c.account_id)
_HAS_RULES = exists().where(rules.c.account_id == users.c.account_id)
_IS_OF_OTHER = exists().where(
    rule_work.c.account_id == users.c.account_id,
    rule_work.c.owner != bindparam("owner"),
    rule_work.c.lease_until > database_now(),
)
# Most scans find nothing, and read only the start of users_next_change_index.
_DUE = (
    select(
        users.c.account_id,
        users.c.user_id,
        type_coerce(users.c.next_change_at, BigInteger).label("due"),
        _HAS_RULES.label("has_rules"),
    )
    .where(users.c.next_change_at.is_not(None), users.c.next_change_at <= database_now(), ~_IS_WRITTEN, ~_IS_OF_OTHER)
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

    def users(self, owner: str, limit: int) -> list[DueUser]:
        rows = self._connection.execute(_DUE, {"owner": owner, "limit": limit}).all()
        if not rows:
            return []
        now = number_of(read_confirmed_now(self._connection)) or 0
        return [
            DueUser(AccountId(account_id), UserId(user_id), bool(has_rules))
            for account_id, user_id, due, has_rules in rows
            if due <= now
        ]

    def walking(self, limit: int) -> list[tuple[AccountId, str]]:
        return walking_accounts(self._connection, limit)

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
