"""Everything that decides the levels of an account's users, besides their findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from msgspec import Struct

from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.exceptions import NONE_STORED, ExceptionId, Exceptions, UserExceptions
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import NO_RULES, PolicyRules

MAX_LEVEL_TIME = timedelta(days=3_650)  # guessed: longer than any organization keeps findings


class Duration(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a finding of a behavior counts, from the time at which it occurred.

    Attributes:
        expires_after: how long it counts at the behavior's own level.
        medium, low: how long it counts at this lower level after that. Zero skips the level.
    """

    expires_after: timedelta
    medium: timedelta = timedelta(0)
    low: timedelta = timedelta(0)

    def until(self, own: RiskLevel, level: RiskLevel) -> timedelta:
        """Return the age below which a finding counts at least as *level*.

        Args:
            own: the behavior's own level, which is not below *level*.

        >>> week = Duration(expires_after=timedelta(days=7), medium=timedelta(days=2), low=timedelta(days=1))
        >>> [week.until(RiskLevel.HIGH, level).days for level in RiskLevel]
        [10, 9, 7]
        """
        age = self.expires_after
        if level <= RiskLevel.MEDIUM < own:
            age += self.medium
        if level <= RiskLevel.LOW < own:
            age += self.low
        return age

    def level_at(self, own: RiskLevel, age: timedelta) -> RiskLevel | None:
        """Return the level as which a finding of that age counts; None: it no longer counts."""
        return next((level for level in RiskLevel.descending(own) if age < self.until(own, level)), None)


class LevelTimes(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account's settings of how levels change with time.

    Attributes:
        durations: the behaviors whose findings expire. Findings of other behaviors count until the user's reset.
        between_events: the shortest time between two events about the same user. A lower level waits for it; a higher
            level and a reset do not.
    """

    durations: Mapping[BehaviorId, Duration] = {}
    between_events: timedelta = timedelta(0)


NO_TIMES = LevelTimes()
"""The times of a new account: levels last until they are reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRules:
    """Everything that decides the levels of an account's users, besides their findings.

    Attributes:
        behaviors: the settings of all behaviors, including retired ones.
        as_of: the time at which findings are judged: the database's clock, without a step that is not yet confirmed
            (`core.delivery.clock.confirmed_now`). None: levels do not change with time.
        exceptions: the account's exceptions that have not ended.
        groups: the keys of the groups of the users whose levels are decided, by `email_key`. None: they were not read.
        covering: the exceptions that cover the user whose level is decided; None: none does.
        policies: the account's rules that combine findings. With any, *as_of* is known.
        quiet: the behaviors of which a user's only finding is known to make no rule hold.
    """

    behaviors: Mapping[BehaviorId, BehaviorSetting]
    times: LevelTimes = NO_TIMES
    as_of: datetime | None = field(default=None, compare=False)
    exceptions: Exceptions = NONE_STORED
    groups: Mapping[str, frozenset[str]] | None = None
    covering: UserExceptions | None = None
    policies: PolicyRules = NO_RULES
    quiet: frozenset[BehaviorId] = field(default=frozenset(), compare=False)

    def for_user(self, key: str) -> "LevelRules":
        """Return the rules for one user.

        Args:
            key: the user's `email_key`.

        Raises: ValueError: an exception names a group, and the groups were not read.
        """
        if not self.exceptions:
            return self
        if self.exceptions.name_groups and self.groups is None:
            raise ValueError("read the groups of the users first")
        covering = self.exceptions.of_user(key, (self.groups or {}).get(key, frozenset()))
        return replace(self, exceptions=NONE_STORED, covering=covering) if covering else self

    def own_level(self, behavior: BehaviorId) -> RiskLevel | None:
        """Return the level of a behavior, at which a new finding counts; None: it is ignored."""
        level = self.behaviors[behavior].risk_level
        return level if self.covering is None else self.covering.level_of(behavior, level)

    def applied_to(self, behavior: BehaviorId) -> ExceptionId | None:
        """Return the exception that gives a behavior another level; None: none does."""
        level = self.behaviors[behavior].risk_level
        applied = None if self.covering is None else self.covering.applied_to(behavior, level)
        return None if applied is None or applied.level_for(level) == level else applied.exception_id

    def decides_like(self, other: "LevelRules") -> bool:
        """Return whether every user has the same level under both. Disabling a behavior changes no level."""
        return (
            self.times == other.times
            and self.exceptions == other.exceptions
            and all(
                setting.risk_level == other.behaviors.get(behavior, setting).risk_level
                for behavior, setting in self.behaviors.items()
            )
        )

    def is_stored_as(self, other: "LevelRules") -> bool:
        """Return whether both were stored with the same content, whenever and for whomever they were read."""
        return replace(self, groups=None) == replace(other, groups=None)

    def level(self, behavior: BehaviorId, latest: datetime | None) -> RiskLevel | None:
        """Return the level as which a behavior counts now; None: it no longer counts.

        A behavior that was disabled later still counts. Disabling stops new findings, and recorded findings stay valid.

        Args:
            latest: the time of the user's latest finding of the behavior. Earlier findings never count longer, so the
                order of findings does not matter. None: it is not known, so the behavior does not expire.
        """
        own = self.own_level(behavior)
        duration = self.times.durations.get(behavior)
        if own is None or duration is None or latest is None or self.as_of is None:
            return own
        return duration.level_at(own, self.as_of - latest)

    def until(self, behavior: BehaviorId, latest: datetime | None, level: RiskLevel) -> datetime | None:
        """Return the time until which a behavior, whose own level is not below *level*, counts at least as *level*.

        Returns: None: without end.
        """
        own, duration = self.own_level(behavior), self.times.durations.get(behavior)
        if own is None or duration is None or latest is None:
            return None
        return latest + duration.until(own, level)
