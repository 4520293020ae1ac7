"""Users with their findings, for trials of other rules."""

from collections import defaultdict

from sqlalchemy import BigInteger, Connection, Text, bindparam, cast, func, select, type_coerce

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import PastUser
from riskrelay.storage.risk.users import standing_from
from riskrelay.storage.tables import findings, users

_USERS = (
    select(users)
    .where(users.c.account_id == bindparam("account"), users.c.user_id > bindparam("after"))
    .order_by(users.c.user_id)
    .limit(bindparam("limit"))
)
_WRITTEN = findings.c.behavior + " " + cast(type_coerce(findings.c.occurred_at, BigInteger), Text)
# One row for each run of a user: the database joins the texts faster than the driver makes rows.
_RUNS = (
    select(findings.c.user_id, findings.c.resets, func.aggregate_strings(_WRITTEN, ",").label("written"))
    .where(
        findings.c.account_id == bindparam("account"),
        findings.c.user_id > bindparam("after"),
        findings.c.user_id <= bindparam("last"),
    )
    .group_by(findings.c.user_id, findings.c.resets)
    .order_by(findings.c.user_id, findings.c.resets)
)


class TrialRows:
    """Implements ports.Trials."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def users(self, after: UserId, limit: int) -> list[PastUser]:
        page = {"account": self._account_id, "after": after}
        standings = [standing_from(row) for row in self._connection.execute(_USERS, {**page, "limit": limit})]
        if not standings:
            return []
        runs: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for row in self._connection.execute(_RUNS, {**page, "last": standings[-1].user_id}):
            runs[row.user_id].append((row.resets, row.written))
        return [PastUser(standing=one, runs=runs.get(one.user_id, ())) for one in standings]
