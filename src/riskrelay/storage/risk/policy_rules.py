"""The rules of an account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, true, update

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import PolicyRule, PolicyRules, RuleId, StopReason
from riskrelay.ports import AilingRule, RuleFailures
from riskrelay.storage.tables import rules
from riskrelay.storage.times import micros, moment

_OF_ACCOUNT = rules.c.account_id == bindparam("account")
_ALL = select(rules).where(_OF_ACCOUNT).order_by(rules.c.rule_id)
_OF_RULE = _OF_ACCOUNT & (rules.c.rule_id == bindparam("rule"))
_COUNT = select(func.count()).where(_OF_ACCOUNT, ~rules.c.deleted)
_NOTE_FAILURES = (
    update(rules)
    .where(_OF_RULE)
    .values(
        failures=rules.c.failures + bindparam("more"), failed_at=bindparam("moment"), failure=bindparam("explanation")
    )
)
_STOP = update(rules).where(_OF_RULE).values(stopped=bindparam("why"))
_MAX_FAILURES = 2_000_000_000  # the column's


class PolicyRuleRows:
    """Implements ports.Rules."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._locking = locking
        self._account_id = account_id
        self._account = {"account": account_id}

    def add(self, rule: PolicyRule) -> None:
        row = {"account_id": self._account_id, "rule_id": rule.rule_id, "created_at": rule.created_at, **_values(rule)}
        self._connection.execute(insert(rules), row)

    def update(self, rule: PolicyRule) -> None:
        nothing = {"failures": 0, "failed_at": None, "failure": None}
        here = (rules.c.account_id == self._account_id) & (rules.c.rule_id == rule.rule_id)
        self._connection.execute(update(rules).where(here).values({**_values(rule), **nothing}))

    def remove_deleted(self) -> None:
        gone = delete(rules).where(rules.c.account_id == self._account_id, rules.c.deleted == true())
        self._connection.execute(gone)

    def get(self, rule_id: RuleId) -> PolicyRule | None:
        query = _ALL.where(rules.c.rule_id == rule_id, ~rules.c.deleted)
        row = self._connection.execute(query.with_for_update() if self._locking else query, self._account).first()
        return None if row is None else _rule(row)

    def all(self) -> list[tuple[PolicyRule, RuleFailures]]:
        rows = self._connection.execute(_ALL.where(~rules.c.deleted), self._account)
        return [(_rule(row), RuleFailures(count=row.failures, at=row.failed_at, failure=row.failure)) for row in rows]

    def count(self) -> int:
        return int(self._connection.execute(_COUNT, self._account).scalar_one())

    def note_failures(self, failures: Mapping[RuleId, tuple[int, str]], at: datetime) -> None:
        for rule_id, (more, failure) in sorted(failures.items()):
            row = {**self._account, "rule": rule_id, "more": more, "moment": at, "explanation": failure}
            self._connection.execute(_NOTE_FAILURES.where(rules.c.failures < _MAX_FAILURES), row)

    def stop(self, rule_id: RuleId, reason: StopReason) -> None:
        self._connection.execute(_STOP, {**self._account, "rule": rule_id, "why": reason.value})


def read_policies(connection: Connection, account_id: AccountId) -> PolicyRules:
    """Return the rules of an account, including disabled and deleted ones."""
    return PolicyRules(map(_rule, connection.execute(_ALL, {"account": account_id})))


def find_ailing_rules(connection: Connection, limit: int) -> list[AilingRule]:
    """Return enabled rules of all accounts that are stopped or have failed, account by account."""
    ails = rules.c.stopped.is_not(None) | (rules.c.failures > 0)
    query = select(rules).where(rules.c.enabled == true(), ~rules.c.deleted, ails)
    found = connection.execute(query.order_by(rules.c.account_id, rules.c.rule_id).limit(limit))
    return [
        AilingRule(
            account_id=AccountId(row.account_id),
            rule_id=RuleId(row.rule_id),
            is_stopped=row.stopped is not None,
            failures=row.failures,
        )
        for row in found
    ]


def _values(rule: PolicyRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": rule.description,
        "enabled": rule.enabled,
        "within": micros(rule.within),
        "expression": rule.when,
        "level": None if rule.level is None else int(rule.level),
        "revokes_sessions": rule.revokes_sessions,
        "stopped": None if rule.stopped is None else rule.stopped.value,
        "deleted": rule.is_deleted,
    }


def _rule(row: Row[*tuple[Any, ...]]) -> PolicyRule:
    return PolicyRule(
        rule_id=RuleId(row.rule_id),
        name=row.name,
        description=row.description,
        enabled=row.enabled,
        within=moment(row.within) - moment(0),
        when=row.expression,
        level=None if row.level is None else RiskLevel(row.level),
        revokes_sessions=row.revokes_sessions,
        created_at=row.created_at,
        stopped=None if row.stopped is None else StopReason(row.stopped),
        is_deleted=row.deleted,
    )
