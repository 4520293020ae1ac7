"""Find the users at risk that a filter matches, by the index of users at risk."""

from sqlalchemy import ColumnElement, exists, literal

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import RiskFilter
from riskrelay.core.sources.preparing import identity_start
from riskrelay.storage.tables import findings, users

RISKIEST_FIRST = (users.c.level.desc(), users.c.last_event_at.desc(), users.c.user_id.desc())


def matching(account_id: AccountId, wanted: RiskFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of *wanted* on the rows of `users`.

    The index of users at risk has all columns that they read, except those of findings.
    """
    # Not IS NOT NULL for any level: so both engines read the index in the order of RISKIEST_FIRST.
    is_level = users.c.level >= int(min(RiskLevel)) if wanted.level is None else users.c.level == int(wanted.level)
    return [users.c.account_id == account_id, is_level, *besides_level(wanted)]


def besides_level(wanted: RiskFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of *wanted* except the account and the level."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.behavior is not None:
        conditions.append(has_triggered(wanted.behavior))
    if wanted.last_event_from is not None:
        conditions.append(users.c.last_event_at >= wanted.last_event_from)
    if wanted.last_event_to is not None:
        conditions.append(users.c.last_event_at <= wanted.last_event_to)
    if wanted.source is not None:
        conditions.append(_has_finding_of(wanted.source))
    return conditions


def has_triggered(behavior: BehaviorId) -> ColumnElement[bool]:
    """Return the condition that a user triggered a behavior since the last reset."""
    listed = literal(",") + users.c.triggered + literal(",")
    return listed.contains(f",{behavior},", autoescape=True)


def _has_finding_of(source_id: str) -> ColumnElement[bool]:
    """Return the condition that a source sent a finding since the last reset. The index of users' findings has it."""
    return exists().where(
        findings.c.account_id == users.c.account_id,
        findings.c.user_id == users.c.user_id,
        findings.c.resets == users.c.resets,
        findings.c.finding_id.startswith(identity_start(source_id), autoescape=True),
    )
