"""From what a user triggered and what the account decided about it, to the user's risk level."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from riskrelay.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.risk.findings import UserId
from riskrelay.risk.levels import RiskLevel


class Cause(StrEnum):
    """What moved a level: a finding or a setting (policy), or a person (admin)."""

    POLICY = "policy"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user stands now.

    Attributes:
        level: None when the user has no risk.
        triggered: the behaviors recorded since the last reset, each while it was enabled.
    """

    user_id: UserId
    email: str
    name: str | None
    level: RiskLevel | None
    triggered: frozenset[BehaviorId]


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A user's risk level moved.

    Attributes:
        behaviors: those that hold the current level; empty after a reset.
        changed_at: aware UTC, the moment of the decision.
    """

    user_id: UserId
    email: str
    previous: RiskLevel | None
    current: RiskLevel | None
    behaviors: tuple[BehaviorId, ...]
    cause: Cause
    changed_at: datetime


def level_of(triggered: Iterable[BehaviorId], settings: Mapping[BehaviorId, BehaviorSetting]) -> RiskLevel | None:
    """The highest level among *triggered*; None when there are none.

    A behavior that was disabled later still counts: disabling stops new findings, and those already
    recorded stay with the user.

    Rule: contract 22.
    """
    return max((settings[behavior].risk_level for behavior in triggered), default=None)


def with_findings(
    standing: Standing, behaviors: Iterable[BehaviorId], settings: Mapping[BehaviorId, BehaviorSetting]
) -> Standing:
    """The standing after *behaviors* were seen. The same behaviors in any order, in one batch or many, give
    the same standing, and more findings never lower a level.

    Args:
        behaviors: enabled ones; the caller has dropped the others.
    """
    triggered = standing.triggered | frozenset(behaviors)
    return replace(standing, triggered=triggered, level=level_of(triggered, settings))


def after_reset(standing: Standing) -> Standing:
    """The standing of a user whose risk a person has cleared.

    Rule: contract 21.
    """
    return replace(standing, triggered=frozenset(), level=None)


def level_change(
    before: Standing,
    after: Standing,
    settings: Mapping[BehaviorId, BehaviorSetting],
    cause: Cause,
    at: datetime,
) -> LevelChange | None:
    """What to tell the receivers about the step from *before* to *after*.

    Returns: None when the level stays, whatever else moved.
    """
    if before.level == after.level:
        return None
    holding = tuple(sorted(b for b in after.triggered if settings[b].risk_level == after.level))
    return LevelChange(after.user_id, after.email, before.level, after.level, holding, cause, at)
