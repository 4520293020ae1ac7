"""Which process evaluates the rules of an account, and the accounts whose users are evaluated again after a change."""

from sqlalchemy import Connection, bindparam, or_, select, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import RULES_LEASE, RulesLeaseLost
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import rule_work
from riskrelay.storage.times import database_now, micros

_UNTIL = database_now() + micros(RULES_LEASE)
_OF_ACCOUNT = rule_work.c.account_id == bindparam("account")
# A lease that ends later than any can was given before the database's clock was put back.
_IS_FREE = or_(rule_work.c.lease_until < database_now(), rule_work.c.lease_until > _UNTIL)
_BEGIN_WALK = PerEngine(
    rule_work,
    lambda insert: insert.on_conflict_do_update(index_elements=[rule_work.c.account_id], set_={"walked_to": ""}),
)
_CLAIM = (
    update(rule_work)
    .where(_OF_ACCOUNT, or_(rule_work.c.owner == bindparam("holder"), _IS_FREE))
    .values(owner=bindparam("holder"), lease_until=_UNTIL)
)
_HOLD = select(rule_work.c.walked_to).where(_OF_ACCOUNT, rule_work.c.owner == bindparam("holder"))
_WALKED = update(rule_work).where(_OF_ACCOUNT).values(walked_to=bindparam("last"))
_RELEASE = (
    update(rule_work).where(_OF_ACCOUNT, rule_work.c.owner == bindparam("holder")).values(owner=None, lease_until=0)
)


class RuleWorkRows:
    """Implements ports.RuleWork."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id
        self._account = {"account": account_id}

    def begin_walk(self) -> None:
        row = {"account_id": self._account_id, "walked_to": ""}
        self._connection.execute(_BEGIN_WALK.on(self._connection), row)

    def claim(self, owner: str) -> bool:
        return self._connection.execute(_CLAIM, {**self._account, "holder": owner}).rowcount == 1

    def hold(self, owner: str) -> str | None:
        # FOR UPDATE: changes of the rules update this row, so they wait until this transaction has ended.
        row = self._connection.execute(_HOLD.with_for_update(), {**self._account, "holder": owner}).first()
        if row is None:
            raise RulesLeaseLost
        return None if row.walked_to is None else str(row.walked_to)

    def walked(self, user_id: UserId | None) -> None:
        self._connection.execute(_WALKED, {**self._account, "last": user_id})

    def release(self, owner: str) -> None:
        self._connection.execute(_RELEASE, {**self._account, "holder": owner})


def walking_accounts(connection: Connection, limit: int) -> list[tuple[AccountId, str]]:
    """Return accounts whose users are evaluated again after a change of rules, each with the last user walked to."""
    query = select(rule_work.c.account_id, rule_work.c.walked_to).where(rule_work.c.walked_to.is_not(None)).limit(limit)
    return [(AccountId(row.account_id), row.walked_to) for row in connection.execute(query)]
