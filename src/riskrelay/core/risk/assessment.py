"""Compute a user's risk level from the triggered behaviors and the account's settings."""

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
    """The cause of a level change: a finding or a setting (policy), or a person (admin)."""

    POLICY = "policy"
    ADMIN = "admin"


class Standing(Struct, frozen=True, kw_only=True):
    """The current risk of a user.

    Attributes:
        level: None if the user has no risk.
        triggered: the behaviors recorded since the last reset, each while it was enabled.
        event_count: the number of findings recorded since the last reset.
        last_event_at: the time of the latest of these findings; None: no finding.
        resets: the number of resets. Each finding has the number at which it was recorded.
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
        """The key of the user within the account: references with the same key are one user."""
        return email_key(self.email)


class LevelChange(Struct, frozen=True, kw_only=True):
    """A change of a user's risk level.

    Attributes:
        behaviors: the behaviors that cause the current level; empty after a reset.
        reason: their names, for people; empty after a reset.
        changed_at: the time of the decision, aware UTC.
        note: the text of the person who changed the level; None: no text.
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
    """Return the highest level among *triggered*; None if it is empty.

    A behavior that was disabled later still counts. Disabling stops new findings, and recorded findings stay valid.

    Rule: contract 22.
    """
    return max((settings[behavior].risk_level for behavior in triggered), default=None)


def with_findings(
    standing: Standing, behaviors: Iterable[BehaviorId], settings: Mapping[BehaviorId, BehaviorSetting]
) -> Standing:
    """Return the standing after *behaviors* were triggered.

    The same behaviors in any order, in one batch or many, give the same standing. More findings never lower a level.

    Args:
        behaviors: enabled behaviors; the caller has dropped the others.
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
    """Return the standing after findings at *times* were recorded, in any order.

    Args:
        times: the time of each finding.

    Rule: contract 19 (event_count, last_event).
    """
    last = max((at for at in (standing.last_event_at, *times) if at is not None), default=None)
    return replace(standing, event_count=standing.event_count + len(times), last_event_at=last)


def after_reset(standing: Standing, at: datetime) -> Standing:
    """Return the standing of a user after a person has cleared the risk.

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
    """Return the level change from *before* to *after*, for the receivers.

    Returns: None if the level is the same, even if other members differ.
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
