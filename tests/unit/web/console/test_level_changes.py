"""The words of a level change."""

import pytest

from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import PastChange
from riskrelay.web.console.level_changes import headline, made_by
from support.services import NOON

LOW, MEDIUM, HIGH = RiskLevel


def change(
    previous: RiskLevel | None, current: RiskLevel | None, kind: ChangeKind, rule: str | None = None
) -> PastChange:
    return PastChange(
        change_id="c",
        changed_at=NOON,
        previous=previous,
        current=current,
        kind=kind,
        behaviors=(),
        reason="",
        findings=(),
        rule=rule,
        actor=None,
        note=None,
    )


@pytest.mark.parametrize(
    ("previous", "current", "kind", "said"),
    [
        (None, LOW, ChangeKind.FINDING, "Risk level raised to"),
        (MEDIUM, HIGH, ChangeKind.SETTINGS, "Risk level raised to"),
        (HIGH, LOW, ChangeKind.SETTINGS, "Risk level lowered to"),
        (LOW, None, ChangeKind.SETTINGS, "Risk level lowered to"),
        (HIGH, None, ChangeKind.RESET, "Risk reset to"),
    ],
)
def test_a_change_is_a_rise_a_fall_or_a_reset(
    previous: RiskLevel | None, current: RiskLevel | None, kind: ChangeKind, said: str
) -> None:
    """In words, before the new level."""
    assert headline(change(previous, current, kind)) == said


@pytest.mark.parametrize("kind", list(ChangeKind))
def test_every_kind_has_words(kind: ChangeKind) -> None:
    """A reset of many users at once says so."""
    assert made_by(change(None, LOW, kind))
    assert made_by(change(HIGH, None, ChangeKind.RESET, rule="r1")) == "bulk reset"
    assert made_by(change(HIGH, None, ChangeKind.RESET)) == "reset"
