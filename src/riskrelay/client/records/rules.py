"""Rules that combine findings."""

from datetime import datetime

import msgspec


class RuleFailures(msgspec.Struct, frozen=True, kw_only=True):
    """Evaluations of a rule that failed since it was changed."""

    count: int
    last: str | None
    last_at: datetime | None


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that gives a level, or revokes sessions, while its expression holds for a user.

    Attributes:
        when: a JSONata expression over the user's findings of the last *within_seconds*.
        level: low, medium or high; None: it gives none.
        stopped: why the service no longer evaluates it, until it is changed; None: it does.
    """

    id: str
    name: str
    description: str | None
    enabled: bool
    within_seconds: int
    when: str
    level: str | None
    session_revoked: bool
    stopped: str | None
    failures: RuleFailures
    created_at: datetime


class TriedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that an expression sees."""

    behavior: str
    risk_level: str
    timestamp: datetime
    is_used: bool


class ExpressionTrial(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an expression holds.

    Attributes:
        failure: why it cannot be evaluated; None: it was.
    """

    holds: bool
    failure: str | None
    findings: list[TriedFinding]
