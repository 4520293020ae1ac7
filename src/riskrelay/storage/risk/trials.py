"""Users with their findings, for trials of other rules."""

from collections.abc import Collection
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Integer, Text, bindparam, cast, func, or_, select, type_coerce

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import PastRun, PastUser, PastUsers
from riskrelay.storage.risk.risk_filters import has_triggered
from riskrelay.storage.risk.users import standing_from
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
_TIME = cast(type_coerce(findings.c.occurred_at, BigInteger), Text)
# One row for each run of a user: the time and the behavior of each finding, from the index of users' findings alone.
RUNS = (
    select(
        findings.c.user_id,
        cast(findings.c.resets, Text).label("resets"),
        func.aggregate_strings(_TIME, ",").label("times"),
        func.aggregate_strings(findings.c.behavior, ",").label("behaviors"),
    )
    .where(*_FINDINGS, findings.c.user_id <= bindparam("last"))
    .group_by(findings.c.user_id, findings.c.resets)
)


def _joined(rows: Any, item: Any, *others: Any) -> Any:
    return select(func.aggregate_strings(item, ",").label("written"), *others).select_from(rows)


# The whole page is one row, as the items of a JSON array. The driver takes the interpreter for each row, and then waits
# for the thread that computes; for one row, reading and computing overlap. Ids are UUIDs, and behaviors are words.
_RUNS = RUNS.subquery()
_RUNS_WRITTEN = _joined(
    _RUNS,
    '["' + _RUNS.c.user_id + '",' + _RUNS.c.resets + ",[" + _RUNS.c.times + '],"' + _RUNS.c.behaviors + '"]',
)


def _users_written(limited: Any, array: Any) -> Any:
    page = limited.subquery()
    columns = [
        page.c.user_id,
        page.c.email,
        func.coalesce(page.c.level, 0),
        page.c.triggered,
        page.c.resets,
        *(type_coerce(page.c[name], BigInteger) for name in ("last_reset_at", "last_event_at", "changed_at")),
        page.c.triggered_at,
        page.c.holding,
    ]
    return _joined(page, cast(array(*columns), Text), func.max(page.c.user_id).label("last"))


_TO = users.c.user_id <= bindparam("last")
_USERS_WRITTEN = {
    "sqlite": [_users_written(query, func.json_array) for query in (_USERS, _USERS.where(_TO))],
    "postgresql": [_users_written(query, func.json_build_array) for query in (_USERS, _USERS.where(_TO))],
}

_read_users = msgspec.json.Decoder(list[PastUser]).decode
_read_runs = msgspec.json.Decoder(list[PastRun]).decode
_user_id = attrgetter("user_id")


class TrialRows:
    """Implements ports.Trials."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def users(self, after: UserId, limit: int, max_findings: int) -> PastUsers | None:
        page: dict[str, object] = {"account": self._account_id, "after": after, "limit": limit}
        last = self._connection.execute(LAST_USER, {**page, "most": max_findings}).scalar()
        all_of_them, up_to = _USERS_WRITTEN[self._connection.dialect.name]
        query = all_of_them if last is None else up_to
        written, last = self._connection.execute(query, {**page, "last": last}).one()
        if written is None:
            return None
        found = sorted(_read_users(f"[{written}]"), key=_user_id)
        runs: dict[UserId, list[PastRun]] = {}
        written = self._connection.execute(_RUNS_WRITTEN, {**page, "last": last}).scalar()
        for run in _read_runs(f"[{written or ''}]"):
            runs.setdefault(run.user_id, []).append(run)
        return PastUsers(last, found, runs)

    def triggered(self, behaviors: Collection[BehaviorId], after: UserId, limit: int) -> list[Standing]:
        query = _USERS.where(or_(*(has_triggered(behavior) for behavior in behaviors)))
        page = {"account": self._account_id, "after": after, "limit": limit}
        return [standing_from(row) for row in self._connection.execute(query, page)]
