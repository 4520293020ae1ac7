"""A user's story."""

from datetime import timedelta

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import RecordedFinding
from riskrelay.web.console.stories import chapters, moves
from support.services import NOON

LOW, MEDIUM, HIGH = RiskLevel
HOUR = timedelta(hours=1)


def finding(hour: int, level: RiskLevel, resets: int = 0) -> RecordedFinding:
    at = NOON + hour * HOUR
    return RecordedFinding(
        finding_id=FindingId(str(hour)),
        user_id=UserId("u"),
        behavior=BehaviorId("high_dlp"),
        risk_level=level,
        occurred_at=at,
        recorded_at=at,
        resets=resets,
        details_json=None,
        digest=bytes(32),
    )


def standing(resets: int, reset_hour: int | None) -> Standing:
    reset_at = None if reset_hour is None else NOON + reset_hour * HOUR
    return Standing(
        user_id=UserId("u"),
        email="kai@example.com",
        name=None,
        level=HIGH,
        triggered=frozenset(),
        event_count=1,
        last_event_at=NOON,
        resets=resets,
        last_reset_at=reset_at,
    )


def test_a_level_moves_with_the_first_finding_and_with_a_heavier_one() -> None:
    """Never with a lighter one; a reset begins anew, and stands between what was before and after it."""
    found = [finding(5, LOW, 1), finding(3, MEDIUM), finding(2, HIGH), finding(1, MEDIUM), finding(0, LOW)]
    story = chapters(standing(1, 4), found, {}, is_first=True, has_older=False)
    assert [chapter.moved_to for chapter in story] == [LOW, None, None, HIGH, MEDIUM, LOW]
    assert [chapter.finding is None for chapter in story] == [False, True, False, False, False, False]
    assert moves(story) == [NOON + hour * HOUR for hour in (5, 4, 2, 1, 0)]


def test_a_reset_is_the_latest_that_happened_when_nothing_was_found_since() -> None:
    """It stands first."""
    story = chapters(standing(1, 4), [finding(0, LOW)], {}, is_first=True, has_older=False)
    assert [chapter.finding is None for chapter in story] == [True, False]


def test_an_unknown_level_is_not_shown() -> None:
    """The oldest finding of a page with more behind it may not have moved the level; the reset stands on the first page
    alone."""
    found = [finding(3, HIGH), finding(2, LOW), finding(1, MEDIUM)]
    story = chapters(standing(1, 9), found, {}, is_first=False, has_older=True)
    assert [chapter.moved_to for chapter in story] == [HIGH, None, None]
