"""What a change of settings would do is what it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riskrelay.core.risk.assessment import Standing, decided_again, level_of
from riskrelay.core.risk.behaviors import BEHAVIORS, DEFAULT_SETTINGS, BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Standings
from riskrelay.web.console.effects import Move, moves_of, users_holding
from support.services import NOON

DLP, TRAVEL = BehaviorId("high_dlp"), BehaviorId("imp_travel")
SETTINGS = st.fixed_dictionaries(
    {one: st.builds(BehaviorSetting, st.booleans(), st.sampled_from(RiskLevel)) for one in BEHAVIORS}
)
TRIGGERED = st.frozensets(st.sampled_from(list(BEHAVIORS)), min_size=1, max_size=4)


@given(st.lists(TRIGGERED, max_size=20), SETTINGS, SETTINGS)
def test_as_many_users_would_move_as_the_rule_moves(
    users: list[frozenset[BehaviorId]],
    before: dict[BehaviorId, BehaviorSetting],
    after: dict[BehaviorId, BehaviorSetting],
) -> None:
    """User by user, as `set_behaviors` decides it."""
    expected: dict[tuple[RiskLevel | None, RiskLevel | None], int] = {}
    standings = []
    for triggered in users:
        user = Standing(user_id=UserId("u"), email="a@x.org", name=None, level=None, triggered=triggered)
        level = level_of(user, LevelRules(behaviors=before))
        assert level is not None
        standings.append(Standings(triggered, level, 1))
        moved = decided_again(replace(user, level=level), LevelRules(behaviors=after), NOON).level
        if moved != level:
            expected[level, moved] = expected.get((level, moved), 0) + 1
    assert {(move.before, move.after): move.users for move in moves_of(standings, after)} == expected


def test_disabling_changes_no_user() -> None:
    """Contract 22."""
    standings = [Standings(frozenset({DLP}), RiskLevel.HIGH, 3)]
    assert moves_of(standings, DEFAULT_SETTINGS) == []
    heavier = {**DEFAULT_SETTINGS, DLP: BehaviorSetting(False, RiskLevel.LOW)}
    assert moves_of(standings, heavier) == [Move(RiskLevel.HIGH, RiskLevel.LOW, 3)]


@pytest.mark.parametrize(("behavior", "users"), [(DLP, 5), (TRAVEL, 3)])
def test_a_user_holds_every_behavior_they_triggered(behavior: BehaviorId, users: int) -> None:
    """So one user counts for several."""
    standings = [
        Standings(frozenset({DLP}), RiskLevel.HIGH, 2),
        Standings(frozenset({DLP, TRAVEL}), RiskLevel.HIGH, 3),
    ]
    assert users_holding(standings, behavior) == users
