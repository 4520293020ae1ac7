"""The words of a level change in a user's history. Pure."""

from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.ports import PastChange

_MADE_BY = {
    ChangeKind.EXCEPTION: "exception",
    ChangeKind.EXPIRY: "expiry",
    ChangeKind.FINDING: "finding",
    ChangeKind.SETTINGS: "settings changed",
    ChangeKind.RESET: "reset",
    ChangeKind.RULE: "rule",
}


def headline(change: PastChange) -> str:
    """Return what happened to the level, in words before the new level.

    >>> from datetime import UTC, datetime
    >>> from riskrelay.core.risk.levels import RiskLevel
    >>> common = dict(change_id="", changed_at=datetime(2026, 3, 17, tzinfo=UTC), behaviors=(), reason="", findings=(),
    ...     rule=None, actor=None, note=None)
    >>> headline(PastChange(previous=None, current=RiskLevel.LOW, kind=ChangeKind.FINDING, **common))
    'Risk level raised to'
    >>> headline(PastChange(previous=RiskLevel.HIGH, current=None, kind=ChangeKind.RESET, **common))
    'Risk reset to'
    """
    if change.kind is ChangeKind.RESET:
        return "Risk reset to"
    if change.current == change.previous:
        return "Sessions revoked"
    return "Risk level raised to" if (change.current or 0) > (change.previous or 0) else "Risk level lowered to"


def made_by(change: PastChange) -> str:
    """Return what made the change, in one or two words."""
    if change.kind is ChangeKind.RESET and change.rule is not None:
        return "bulk reset"
    return _MADE_BY.get(change.kind, change.kind.value)
