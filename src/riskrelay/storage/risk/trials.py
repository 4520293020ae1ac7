"""Users with their findings, for trials of other rules."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Row, Text, bindparam, cast, func, or_, select, type_coerce

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import PastUser
from riskrelay.storage.risk.risk_filters import has_triggered
from riskrelay.storage.risk.users import behaviors_in, standing_from
from riskrelay.storage.tables import findings, users

_FINDINGS = (findings.c.account_id == bindparam("account"), findings.c.user_id > bindparam("after"))
# The user of the last finding that one call reads. The database counts in the index.
LAST_USER = (
    select(findings.c.user_id)
    .where(*_FINDINGS)
    .order_by(findings.c.user_id)
    .offset(bindparam("most", type_=Integer))
    .limit(1)
)
_USERS = (
    select(users)
    .where(users.c.account_id == bindparam("account"), users.c.user_id > bindparam("after"))
    .order_by(users.c.user_id)
    .limit(bindparam("limit"))
)
_USERS_TO = _USERS.where(users.c.user_id <= bindparam("last"))
# As JSON. The index of users' findings has all of it.
_WRITTEN = cast(type_coerce(findings.c.occurred_at, BigInteger), Text) + ',"' + findings.c.behavior + '"'
# One row for each run of a user: the database joins the texts faster than the driver makes rows.
RUNS = (
    select(findings.c.user_id, findings.c.resets, func.aggregate_strings(_WRITTEN, ",").label("written"))
    .where(*_FINDINGS, findings.c.user_id <= bindparam("last"))
    .group_by(findings.c.user_id, findings.c.resets)
    .order_by(findings.c.user_id, findings.c.resets)
)


class TrialRows:
    """Implements ports.Trials."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def users(self, after: UserId, limit: int, max_findings: int) -> list[PastUser]:
        page: dict[str, object] = {"account": self._account_id, "after": after}
        last = self._connection.execute(LAST_USER, {**page, "most": max_findings}).scalar()
        query = _USERS if last is None else _USERS_TO
        found = self._connection.execute(query, {**page, "limit": limit, "last": last})
        rows = found.all()
        if not rows:
            return []
        runs: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for user_id, resets, written in self._connection.execute(RUNS, {**page, "last": rows[-1].user_id}):
            runs[user_id].append((resets, written))
        return [_past_user(row, runs.get(row.user_id, ())) for row in rows]

    def triggered(self, behaviors: Collection[BehaviorId], after: UserId, limit: int) -> list[Standing]:
        query = _USERS.where(or_(*(has_triggered(behavior) for behavior in behaviors)))
        page = {"account": self._account_id, "after": after, "limit": limit}
        return [standing_from(row) for row in self._connection.execute(query, page)]


def _past_user(row: Row[*tuple[Any, ...]], runs: Sequence[tuple[int, str]]) -> PastUser:
    return PastUser(
        user_id=UserId(row.user_id),
        email=row.email,
        level=None if row.level is None else RiskLevel(row.level),
        triggered=behaviors_in(row.triggered),
        resets=row.resets,
        last_reset_at=row.last_reset_at,
        standing=partial(standing_from, row),
        runs=runs,
    )
