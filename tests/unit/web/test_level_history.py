"""The history says when something is known to be missing."""

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from riskrelay.core.risk.assessment import ChangeKind, Standing
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import PastChange
from riskrelay.web.account_api.level_history import is_complete
from support.services import NOON

LOW, MEDIUM, HIGH = RiskLevel
NOBODY = Standing(user_id=UserId("u"), email="kai@example.com", name=None, level=None, triggered=frozenset())
RISE = PastChange(
    change_id="c",
    changed_at=NOON,
    previous=None,
    current=HIGH,
    kind=ChangeKind.FINDING,
    behaviors=(),
    reason="",
    findings=(),
    rule=None,
    actor=None,
    note=None,
)


@pytest.mark.parametrize(
    ("level", "reset_at", "oldest", "complete"),
    [
        (None, None, None, True),
        (HIGH, None, None, False),  # it rose before changes were recorded
        (None, NOON, None, False),  # it was reset before
        (HIGH, None, RISE, True),
        (HIGH, NOON, RISE, True),
        (None, NOON + timedelta(hours=1), RISE, True),
        (HIGH, NOON - timedelta(hours=1), RISE, False),
        (HIGH, None, replace(RISE, previous=LOW), False),
    ],
)
def test_what_is_missing_is_known_from_the_oldest_change(
    level: RiskLevel | None, reset_at: datetime | None, oldest: PastChange | None, complete: bool
) -> None:
    """A change from a level, or a reset before it, means that there were earlier changes."""
    standing = replace(NOBODY, level=level, last_reset_at=reset_at)
    assert is_complete(standing, oldest, is_first=True) is complete


def test_a_later_page_without_changes_is_the_end() -> None:
    """The changes after its place have been deleted since; the earlier pages showed the rest."""
    assert is_complete(replace(NOBODY, level=HIGH), None, is_first=False)
