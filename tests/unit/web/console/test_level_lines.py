"""The level of a user over time."""

from datetime import timedelta

from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import PastChange
from riskrelay.web.console.level_lines import level_line
from support.services import NOON

MINUTE = timedelta(minutes=1)


def change(minutes: int, previous: RiskLevel | None, current: RiskLevel | None) -> PastChange:
    return PastChange(
        change_id=str(minutes),
        changed_at=NOON + minutes * MINUTE,
        previous=previous,
        current=current,
        kind=ChangeKind.FINDING,
        behaviors=(),
        reason="",
        findings=(),
        rule=None,
        actor=None,
        note=None,
    )


def test_the_line_goes_from_the_level_before_the_oldest_change_until_now() -> None:
    """Each change is a step; without changes there is no line."""
    changes = [change(5, RiskLevel.LOW, RiskLevel.HIGH), change(1, None, RiskLevel.LOW)]
    now = NOON + 9 * MINUTE
    assert level_line(changes, RiskLevel.HIGH, now) == [
        (NOON + MINUTE, 0, "none"),
        (NOON + MINUTE, 1, "low"),
        (NOON + 5 * MINUTE, 3, "high"),
        (now, 3, "high"),
    ]
    assert level_line([], None, now) == []
