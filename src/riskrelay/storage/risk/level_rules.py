"""The rules that decide the levels of an account's users."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId, settings_with
from riskrelay.core.risk.exceptions import NONE_STORED, Exceptions
from riskrelay.core.risk.policy_rules import NO_RULES
from riskrelay.core.risk.rules import NO_TIMES, LevelRules, LevelTimes
from riskrelay.storage.delivery.clock import read_confirmed_now
from riskrelay.storage.prepared import Prepared
from riskrelay.storage.risk.behaviors import SETTING_COLUMNS, setting_from
from riskrelay.storage.risk.directory import read_groups
from riskrelay.storage.risk.exceptions import read_exceptions
from riskrelay.storage.risk.policy_rules import read_policies
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import accounts, behavior_settings, exceptions, level_times, rules

_HAS_EXCEPTIONS = select(exceptions.c.exception_id).where(exceptions.c.account_id == accounts.c.account_id).exists()
_HAS_RULES = select(rules.c.rule_id).where(rules.c.account_id == accounts.c.account_id).exists()
# One statement, because every finding needs it. The account's row is there even if it has changed no behavior.
_RULES = Prepared(
    select(
        *SETTING_COLUMNS,
        level_times.c.times,
        _HAS_EXCEPTIONS.label("has_exceptions"),
        _HAS_RULES.label("has_rules"),
    )
    .select_from(
        accounts.outerjoin(behavior_settings, behavior_settings.c.account_id == accounts.c.account_id).outerjoin(
            level_times, level_times.c.account_id == accounts.c.account_id
        )
    )
    .where(accounts.c.account_id == bindparam("account"))
    .order_by(behavior_settings.c.behavior)
)
_TIMES = select(level_times.c.times).where(level_times.c.account_id == bindparam("account"))
_SAVE_TIMES = PerEngine(
    level_times,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[level_times.c.account_id], set_={"times": insert.excluded.times}
    ),
)
_DECODER = msgspec.json.Decoder(LevelTimes)


class LevelRows:
    """Implements ports.Levels."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id
        self._account = {"account": account_id}

    def rules(self) -> LevelRules:
        rows = _RULES.rows(self._connection, self._account)
        behaviors = {BehaviorId(row.behavior): setting_from(row) for row in rows if row.behavior is not None}
        times = _times(rows[0].times if rows else None)
        stored = read_exceptions(self._connection, self._account_id) if rows and rows[0].has_exceptions else []
        policies = read_policies(self._connection, self._account_id) if rows and rows[0].has_rules else NO_RULES
        has_end = times != NO_TIMES or bool(policies) or any(one.ends_at is not None for one in stored)
        as_of = read_confirmed_now(self._connection) if has_end else None
        return LevelRules(
            behaviors=settings_with(behaviors),
            times=times,
            as_of=as_of,
            exceptions=Exceptions(stored, as_of) if stored else NONE_STORED,
            policies=policies,
        )

    def with_groups(self, rules: LevelRules, email_keys: Collection[str]) -> LevelRules:
        if not rules.exceptions.name_groups:
            return rules
        return replace(rules, groups=read_groups(self._connection, self._account_id, email_keys))

    def times(self) -> LevelTimes:
        return _times(self._connection.execute(_TIMES, self._account).scalar())

    def save_times(self, times: LevelTimes) -> None:
        row = {"account_id": self._account["account"], "times": msgspec.json.encode(times).decode()}
        self._connection.execute(_SAVE_TIMES.on(self._connection), row)


def _times(stored: Any) -> LevelTimes:
    return NO_TIMES if stored is None else _DECODER.decode(stored)
