"""Users as the rules of their account see them: read and written by the driver, without SQLAlchemy's work for each row.

A batch of a thousand findings makes a thousand users due, so each of these statements is for many users.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.policy_rules import MAX_RULE_FINDINGS, RuleId
from riskrelay.core.risk.rule_inputs import RuleFinding
from riskrelay.ports import RuleUser, Version
from riskrelay.storage.risk.users import holding_from
from riskrelay.storage.tables import sources
from riskrelay.storage.times import moment, number_of

_COLUMNS = "users.user_id, users.email_key, users.next_change_at, users.event_count, users.resets, users.holding"
_LATEST = f"""
    (SELECT {{listed}} FROM (
        SELECT occurred_at, behavior, finding_id FROM findings
        WHERE findings.account_id = users.account_id AND findings.user_id = users.user_id
        AND findings.resets = users.resets AND findings.occurred_at > {{since}}
        ORDER BY occurred_at DESC, finding_id DESC LIMIT {MAX_RULE_FINDINGS}
    ) AS latest)"""  # noqa: S608  constants
_LATEST_SQLITE = _LATEST.format(
    listed="json_group_array(json_array(latest.occurred_at, latest.behavior, latest.finding_id))", since="?2"
)
_LATEST_POSTGRES = _LATEST.format(
    listed="json_agg(json_build_array(latest.occurred_at, latest.behavior, latest.finding_id))::text", since="$2"
)
_READ = {
    "sqlite": f"""
        SELECT {_COLUMNS}, {_LATEST_SQLITE} FROM users
        WHERE account_id = ?1 AND user_id IN (SELECT value FROM json_each(?3)) AND email <> ''""",  # noqa: S608
    "postgresql": f"""
        SELECT {_COLUMNS}, {_LATEST_POSTGRES} FROM users
        WHERE account_id = $1 AND user_id = ANY($3::text[]) AND email <> ''""",  # noqa: S608
}
_PAGE = {
    "sqlite": f"""
        SELECT {_COLUMNS}, {_LATEST_SQLITE} FROM users
        WHERE account_id = ?1 AND user_id > ?3 AND triggered <> '' ORDER BY user_id LIMIT ?4""",  # noqa: S608
    "postgresql": f"""
        SELECT {_COLUMNS}, {_LATEST_POSTGRES} FROM users
        WHERE account_id = $1 AND user_id > $3 AND triggered <> '' ORDER BY user_id LIMIT $4""",  # noqa: S608
}
# Row by row: the planner of SQLite scans the account's users for each row of a list.
_SETTLE_SQLITE = """
    UPDATE users SET next_change_at = ? WHERE account_id = ? AND user_id = ? AND next_change_at IS ?
    AND event_count = ? AND resets = ?"""
# The users are locked first, and in an order, so that no two transactions wait for each other.
_SETTLE_POSTGRES = """
    WITH looked AS (
        SELECT * FROM unnest($2::text[], $3::bigint[], $4::integer[], $5::integer[], $6::bigint[])
        AS looked (user_id, due, event_count, resets, next)
    ), free AS (
        SELECT user_id FROM users WHERE account_id = $1 AND user_id = ANY($2::text[])
        ORDER BY user_id FOR UPDATE SKIP LOCKED
    ), settled AS (
        UPDATE users SET next_change_at = looked.next FROM looked, free
        WHERE users.account_id = $1 AND users.user_id = looked.user_id AND free.user_id = users.user_id
        AND users.event_count = looked.event_count AND users.resets = looked.resets
        AND users.next_change_at IS NOT DISTINCT FROM looked.due
    )
    SELECT user_id FROM looked WHERE user_id NOT IN (SELECT user_id FROM free)"""
_NOTHING: Mapping[RuleId, datetime] = {}
_read_findings = msgspec.json.Decoder(list[tuple[int, str, str]]).decode


class RuleUserRows:
    """Implements ports.RuleUsers."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._engine = connection.dialect.name
        self._account_id = account_id

    def version_of(self, standing: Standing) -> Version:
        return number_of(standing.next_change_at), standing.event_count, standing.resets

    def read(self, user_ids: Collection[UserId], since: datetime) -> list[RuleUser]:
        ids = msgspec.json.encode(list(user_ids)).decode() if self._engine == "sqlite" else list(user_ids)
        return self._users(_READ[self._engine], number_of(since), ids)

    def page(self, after: str, since: datetime, limit: int) -> list[RuleUser]:
        return self._users(_PAGE[self._engine], number_of(since), after, limit)

    def settle(self, looked: Sequence[tuple[RuleUser, datetime | None]]) -> Collection[UserId]:
        if not looked:
            return ()
        if self._engine == "sqlite":
            values = [
                (number_of(next_look), self._account_id, user.user_id, *user.version) for user, next_look in looked
            ]
            self._connection.exec_driver_sql(_SETTLE_SQLITE, values)
            return ()
        rows = [(user.user_id, *user.version, number_of(next_look)) for user, next_look in looked]
        lists = (self._account_id, *map(list, zip(*rows, strict=True)))
        locked = self._connection.exec_driver_sql(_SETTLE_POSTGRES, lists)
        return {UserId(user_id) for (user_id,) in locked}

    def sources(self) -> Mapping[str, str]:
        query = select(sources.c.source_id, sources.c.name).where(sources.c.account_id == self._account_id)
        return {row.source_id: row.name for row in self._connection.execute(query)}

    def _users(self, query: str, *parameters: object) -> list[RuleUser]:
        rows = self._connection.exec_driver_sql(query, (self._account_id, *parameters))
        return [
            RuleUser(
                user_id=UserId(user_id),
                email_key=email_key,
                version=(due, event_count, resets),
                holding=_NOTHING if holding is None else holding_from(holding),
                findings=_findings(found),
            )
            for user_id, email_key, due, event_count, resets, holding, found in rows
        ]


def _findings(found: str | None) -> Sequence[RuleFinding]:
    if found is None:
        return ()
    return [
        RuleFinding(moment(at), BehaviorId(behavior), FindingId(finding_id))
        for at, behavior, finding_id in _read_findings(found)
    ]
