"""What a change of behaviors' settings would do to today's levels. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskrelay.core.risk.assessment import level_of
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Standings

Settings = Mapping[BehaviorId, BehaviorSetting]


@dataclass(frozen=True, slots=True)
class Move:
    """How many users would go from one level to another."""

    before: RiskLevel
    after: RiskLevel
    users: int


def moves_of(standings: Sequence[Standings], settings: Settings) -> list[Move]:
    """Who would move if *settings* held: what `set_behaviors` would do, told in numbers.

    Rule: contract 22: disabling moves nobody, and switching on does not either; weights do.
    """
    moved: Counter[tuple[RiskLevel, RiskLevel]] = Counter()
    for one in standings:
        after = level_of(one.triggered, settings)
        if after is not None and after is not one.level:
            moved[one.level, after] += one.users
    return [Move(before, after, users) for (before, after), users in sorted(moved.items(), reverse=True)]


def users_holding(standings: Sequence[Standings], behavior: BehaviorId) -> int:
    """How many users have triggered *behavior* since their last reset."""
    return sum(one.users for one in standings if behavior in one.triggered)
