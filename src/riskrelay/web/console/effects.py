"""The effects of changed settings of behaviors on the current levels. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Standings

Settings = Mapping[BehaviorId, BehaviorSetting]


@dataclass(frozen=True, slots=True)
class Move:
    """The number of users who would change from one level to another."""

    before: RiskLevel | None
    after: RiskLevel | None
    users: int


def moves_of(standings: Sequence[Standings], settings: Settings) -> list[Move]:
    """Return the level changes that `set_behaviors` with *settings* would cause, as numbers of users.

    Without durations and exceptions, the counts that are made in advance are enough. With them, see `trials.moves_now`.

    Rule: contract 22: enabling and disabling change no level; risk levels of behaviors do.
    """
    moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
    for one in standings:
        after = max((settings[behavior].risk_level for behavior in one.triggered), default=None)
        if after is not None and after is not one.level:
            moved[one.level, after] += one.users
    return [Move(before, after, users) for (before, after), users in sorted(moved.items(), reverse=True)]


def users_holding(standings: Sequence[Standings], behavior: BehaviorId) -> int:
    """Return the number of users who have triggered *behavior* since their last reset."""
    return sum(one.users for one in standings if behavior in one.triggered)
