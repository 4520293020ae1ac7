"""From what a user triggered and what the account decided about it, to the user's risk level."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from riskrelay.core.email_addresses import email_key
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, reason_for
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel


class Cause(StrEnum):
    """What moved a level: a finding or a setting (policy), or a person (admin)."""

    POLICY = "policy"
    ADMIN = "admin"


class Standing(Struct, frozen=True, kw_only=True):
    """Where a user stands now.

    Attributes:
        level: None when the user has no risk.
        triggered: the behaviors recorded since the last reset, each while it was enabled.
        event_count: how many findings were recorded since the last reset.
        last_event_at: the latest time that one of those was seen; None when there is none.
        resets: how often the risk was cleared; findings carry the number under which they were recorded.
        last_reset_at: None: never.
    """

    user_id: UserId
    email: str
    name: str | None
    level: RiskLevel | None
    triggered: frozenset[BehaviorId]
    event_count: int = 0
    last_event_at: datetime | None = None
    resets: int = 0
    last_reset_at: datetime | None = None

    @property
    def email_key(self) -> str:
        """What makes two references the same user within an account."""
        return email_key(self.email)


class LevelChange(Struct, frozen=True, kw_only=True):
    """A user's risk level moved.

    Attributes:
        behaviors: those that hold the current level; empty after a reset.
        reason: their names, for people; empty after a reset.
        changed_at: aware UTC, the moment of the decision.
        note: what a person said about it; None: nothing.
    """

    user_id: UserId
    email: str
    previous: RiskLevel | None
    current: RiskLevel | None
    behaviors: tuple[BehaviorId, ...]
    reason: str
    cause: Cause
    changed_at: datetime
    note: str | None = None


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
    triggered = standing.triggered.union(behaviors)
    level = level_of(triggered, settings)
    if triggered == standing.triggered and level == standing.level:
        return standing
    return Standing(  # not `replace`, which costs twice as much (measured): this is done for each finding
        user_id=standing.user_id,
        email=standing.email,
        name=standing.name,
        level=level,
        triggered=triggered,
        event_count=standing.event_count,
        last_event_at=standing.last_event_at,
        resets=standing.resets,
        last_reset_at=standing.last_reset_at,
    )


def with_events(standing: Standing, times: Collection[datetime]) -> Standing:
    """The standing after as many findings as *times* were recorded, in any order.

    Args:
        times: when each was seen.

    Rule: contract 19 (event_count, last_event).
    """
    last = max((at for at in (standing.last_event_at, *times) if at is not None), default=None)
    return replace(standing, event_count=standing.event_count + len(times), last_event_at=last)


def after_reset(standing: Standing, at: datetime) -> Standing:
    """The standing of a user whose risk a person has cleared.

    Rule: contract 21.
    """
    return replace(
        standing,
        triggered=frozenset(),
        level=None,
        event_count=0,
        last_event_at=None,
        resets=standing.resets + 1,
        last_reset_at=at,
    )


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
    return LevelChange(
        user_id=after.user_id,
        email=after.email,
        previous=before.level,
        current=after.level,
        behaviors=holding,
        reason=reason_for(holding, settings),
        cause=cause,
        changed_at=at,
    )
